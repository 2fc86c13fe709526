#!/usr/bin/env bash
# bed_boot.sh STATE NETWORK - the first process of a test bed: makes the network and then only holds the namespaces.
set -euo pipefail
state=$1
network=$2

# /proc is still the machine's, so this shell can read who it is out there.
read -r pid _ </proc/self/stat
start=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20)

mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/netns
ip link set lo up
ip link add br0 type bridge
ip addr add "$network.1/24" dev br0
ip link set br0 up
hostname stasis-bed

printf '%s %s\n' "$pid" "$start" >"$state/bed.new"
mv "$state/bed.new" "$state/bed"
# The first process reaps what nodes leave behind.
exec chroot "$state/root" /usr/bin/tini -- sleep infinity
