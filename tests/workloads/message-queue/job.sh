#!/bin/bash
#WORKLOAD what: POSIX message queues
#WORKLOAD refused: a POSIX message queue
gcc -O2 -Wall -o queue queue.c || exit 1
exec ./queue
