#!/bin/bash
# Wants a terminal, and asks it for its name and size again and again.
trap 'echo hangup; exit 9' HUP
[ "$(tty)" != "not a tty" ] || exit 2
stty cols 100 rows 30 2>/dev/null
for i in $(seq 1 48); do
  echo "step $i: $(stty size) $(tty | tr -d 0-9)"
  [ "$i" != 10 ] || stty -echo
  sleep 0.25
done
exit 3
