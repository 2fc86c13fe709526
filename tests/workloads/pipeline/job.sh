#!/bin/bash
#WORKLOAD what: gzip, zstd and sort pipelines on large input
#SBATCH -c 2 --mem=800
# 40 million bytes of numbers that do not repeat soon.
numbers() { awk 'BEGIN { x = 1; for (i = 0; i < 2200000; i++) { x = (x * 16807) % 2147483647; print x, i } }'; }
numbers | tee >(sha256sum >sum.plain) | gzip -6 >numbers.gz
zcat numbers.gz | zstd -q -T2 -9 >numbers.zst
ls -l numbers.gz numbers.zst | awk '{ print $9, $5 }'
zstd -qdc numbers.zst | sort -S 30M --parallel=2 -n | tee >(md5sum >sum.sorted) | awk '{ print $1 % 1000 }' | sort -S 30M | uniq -c | sort -rn | head -n 5
until [ -s sum.sorted ] && [ -s sum.plain ]; do sleep 0.1; done
cat sum.plain sum.sorted
zcat numbers.gz | cksum
