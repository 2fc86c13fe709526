#!/bin/bash
#WORKLOAD what: Octave
#SBATCH --mem=800
exec octave-cli --no-history --no-init-file --quiet work.m
