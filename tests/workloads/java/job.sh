#!/bin/bash
#WORKLOAD what: Java: a thread pool, NIO, with the G1 and the parallel garbage collector
#WORKLOAD variants: G1 Parallel
#SBATCH -c 2 --mem=1200
javac Work.java
exec java "-XX:+Use${VARIANT}GC" -Xmx300m Work
