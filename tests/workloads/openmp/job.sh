#!/bin/bash
#WORKLOAD what: C and Fortran programs with OpenMP
#WORKLOAD variants: c fortran
#SBATCH -c 2
export OMP_NUM_THREADS=4
case $VARIANT in
c) gcc -O2 -fopenmp -Wall -o work work.c ;;
fortran) gfortran -O2 -fopenmp -Wall -o work work.f90 ;;
esac
exec ./work
