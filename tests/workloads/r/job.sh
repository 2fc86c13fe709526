#!/bin/bash
#WORKLOAD what: R: mclapply of the package parallel
#SBATCH -c 2 --mem=800
exec Rscript --vanilla model.R
