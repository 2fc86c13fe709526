#!/bin/bash
#WORKLOAD what: timerfd, eventfd, signalfd, epoll and inotify, file locks, semaphores, System V IPC, Unix sockets, memfd, large mappings, 200 threads, 200 processes, zombies, stopped processes, deep and deleted working directories
#WORKLOAD variants: events locks semaphores sysv unix-sockets memfd mappings threads processes zombies stopped deep-cwd deleted-cwd
#SBATCH --mem=800
# Of an earlier run whose /tmp was the node's.
rm -rf /tmp/watched
case $VARIANT in
deep-cwd | deleted-cwd) exec python3 cwd.py "$VARIANT" ;;
esac
[ ! -e "$VARIANT.py" ] || exec python3 "$VARIANT.py"
gcc -O2 -Wall -pthread -o work "$VARIANT.c" || exit 1
exec ./work
