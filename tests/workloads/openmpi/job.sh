#!/bin/bash
#WORKLOAD what: Open MPI on one node, 2 and 4 ranks, by shared memory and by TCP
#WORKLOAD variants: sm-2 sm-4 tcp-2 tcp-4
#SBATCH -c 2 --mem=1500
mpicc -O2 -Wall -o ring ring.c || exit 1
mpirun -np "${VARIANT#*-}" --oversubscribe --mca pml ob1 --mca btl "self,${VARIANT%-*}" ./ring
