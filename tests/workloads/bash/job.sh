#!/bin/bash
#WORKLOAD what: bash: loops, pipelines, background jobs, coprocesses, named pipes, traps
sum() { sha256sum | cut -c1-16; }
counted=0
trap 'counted=$((counted + 1))' USR1
trap 'echo "at the end: $counted signals"' EXIT

worker() {
  local i
  for i in $(seq 1 40); do
    echo "$1 $i"
    sleep 0.3
  done >"worker.$1"
  exit "$1"
}
workers=()
for n in 3 4 5; do
  worker "$n" &
  workers+=($!)
done

coproc ADD { while read -r a b; do echo $((a + b)); done; }
mkfifo pipe
(for i in $(seq 1 60); do
  echo "line $i"
  sleep 0.2
done >pipe) &
feeder=$!
total=0
while read -r line; do
  kill -USR1 $$
  echo "$total ${line#line }" >&"${ADD[1]}"
  read -r total <&"${ADD[0]}"
  echo "$line $total $(echo "$line" | tr a-z A-Z | rev | sum)"
done < <(tee copy <pipe)
wait $feeder
for pid in "${workers[@]}"; do
  wait "$pid"
  echo "a worker ended with $?"
done
cat worker.* | sort | sum
seq 1 300000 | awk '{ s += $1 * $1 } END { printf "%.0f\n", s }'
sum <copy
