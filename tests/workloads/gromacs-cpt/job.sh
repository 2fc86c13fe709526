#!/bin/bash
#WORKLOAD what: GROMACS mdrun with its own checkpoints (-cpi), by --checkpoint-method=signal
#WORKLOAD signal: yes
#WORKLOAD with: gromacs/prepare.sh
#SBATCH --mem=1000
#SBATCH --checkpoint-method=signal:TERM:60
. ./prepare.sh
[ -e md.tpr ] || prepare 900000 || exit 1
gmx -quiet mdrun -deffnm md -cpi md.cpt -nt 1 -reprod >>mdrun.out 2>&1 || exit 1
echo "steps $(gmx -quiet dump -cp md.cpt 2>/dev/null | awk '$1 == "step" { print $3; exit }')"
