#!/bin/bash
#WORKLOAD what: a session that script records
#WORKLOAD refused: a program that ends at a checkpoint
#WORKLOAD with: terminal/inner.sh
script --quiet --return --flush --command ./inner.sh typescript </dev/null
echo "it ended with $?"
# Its first and last line tell the time.
sed '1d;$d' typescript | tr -d '\r' | sha256sum
