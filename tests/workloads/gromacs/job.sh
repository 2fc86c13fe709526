#!/bin/bash
#WORKLOAD what: GROMACS mdrun, thread-MPI and OpenMP
#WORKLOAD variants: ranks threads
#SBATCH -c 2 --mem=1000
. ./prepare.sh
case $VARIANT in
ranks) how='-ntmpi 2 -ntomp 1' steps=80000 ;;
threads) how='-ntmpi 1 -ntomp 2' steps=150000 ;;
esac
prepare $steps || exit 1
# shellcheck disable=SC2086 # words
gmx -quiet mdrun -deffnm md $how -reprod -pin off >mdrun.out 2>&1
echo "mdrun ended with $?"
sha256sum md.gro md.edr md.trr
