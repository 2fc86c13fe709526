#!/bin/bash
#WORKLOAD what: Python: threads, multiprocessing with shared memory and queues, numpy, subprocess, asyncio, SQLite, unlinked temporary files, signals and timers
#WORKLOAD variants: threads multiprocessing numpy subprocess asyncio sqlite unlinked signals
#SBATCH --mem=500
# Not called as the modules that they import.
exec python3 "with-$VARIANT.py"
