#!/bin/bash
#WORKLOAD what: a program that is run from a memfd, without a file
#WORKLOAD refused: its program in memory
exec python3 run.py
