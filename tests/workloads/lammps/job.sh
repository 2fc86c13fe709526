#!/bin/bash
#WORKLOAD what: LAMMPS
#SBATCH --mem=800
lmp -in in.melt -log log >screen 2>&1
echo "lmp ended with $?"
# What it says of times differs from run to run.
awk '/^ *Step/ { on = 1 } /^Loop time/ { on = 0 } on' log
sha256sum atoms.*
