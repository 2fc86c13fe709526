#!/bin/bash
#WORKLOAD what: node.js: timers, worker threads, a server and its clients, streams, child processes
#SBATCH --mem=1000
exec node work.js
