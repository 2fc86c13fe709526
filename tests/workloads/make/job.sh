#!/bin/bash
#WORKLOAD what: a compilation with make -j2
#SBATCH -c 2 --mem=800
make -j2 --no-print-directory >log 2>&1
echo "make ended with $?"
sort log | sha256sum
sha256sum obj/*.o program
./program
