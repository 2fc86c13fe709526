#!/bin/bash
#WORKLOAD what: a program under strace or a debugger
#WORKLOAD refused: a tracer
strace -f -o trace -e trace=execve bash -c 'for i in $(seq 1 48); do echo "step $i"; sleep 0.25; done'
grep -c 'execve("/usr/bin/sleep"' trace
