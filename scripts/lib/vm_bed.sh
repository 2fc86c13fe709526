# vm_bed.sh - the bed of virtual machines as a whole: its names and places, its lock, its network, its end.
#
#   $state/lock           held by every verb that changes the bed
#   $state/nodes          how many compute nodes there are; the file's presence means that the bed was brought up
#   $state/image          the image directory its disks stand on; image-stamp: which one it was
#   $state/network        a network namespace, mounted: the machines' switch, and the host's plug in it (10.77.0.254)
#   $state/keys/          the ssh keys and the munge key of this bed
#   $state/machines/NAME/ disk.qcow2, initrd (with the node's own files), console.log
#   $run/NAME.pid         the machine's qemu
#   $run/NAME-USER        the ssh connection that exec uses (socket and pid); a short path, as sockets need one
#
# The network namespace has no way out: machines of two beds, or the host's own network, never meet.
# shellcheck shell=bash disable=SC2154

state=$state_root/vm-$(bed_id)
run=/run/stasis-vm-$(bed_id)
vm_network=10.77.0

# Runs the rest of the program with the bed to itself.
bed_lock() {
  mkdir -p -- "$state"
  exec 8>"$state/lock"
  flock -n 8 && return
  say "another run works on this bed; waiting for it"
  flock 8
}

# poll SECONDS CMD...: until CMD succeeds; fails when the time is over.
poll() {
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.3
  done
}

bed_exists() { [ -s "$state/nodes" ]; }
bed_require() { bed_exists || die "the virtual machines are down: 'scripts/vmcluster up' starts them"; }

node_names() {
  printf 'ctl\n'
  if bed_exists; then seq -f 'n%g' 1 "$(cat "$state/nodes")"; fi
}
node_require() {
  local names
  names=$(node_names | paste -sd' ')
  [ -n "$1" ] || usage_error "which node? There are $names"
  [[ " $names " == *" $1 "* && $1 != *' '* ]] || usage_error "there is no node '$1': there are $names"
}
node_number() {
  case $1 in
  ctl) echo 1 ;;
  *) echo $((10 + ${1#n})) ;;
  esac
}
node_address() { echo "$vm_network.$(node_number "$1")"; }

# Tells an image from one that was built again in its place: a machine's disk fits the very one it was begun on.
image_stamp() { stat -c '%i %Y' -- "$1/disk.img" 2>/dev/null; }

# bed_create NODES IMAGE: the bed's files, with nothing running yet.
bed_create() {
  local keys=$state/keys
  need_space "$state" 3000
  rm -rf --one-file-system -- "$state/machines" "$keys"
  install -d -m 700 -- "$keys" "$state/machines"
  ssh-keygen -q -t ed25519 -N '' -C "$(basename "$state")" -f "$keys/user"
  ssh-keygen -q -t ed25519 -N '' -C "$(basename "$state")" -f "$keys/host"
  head -c 1024 /dev/urandom >"$keys/munge"
  printf 'bed %s\n' "$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')" >"$keys/stasis"
  printf '%s\n' "$2" >"$state/image"
  image_stamp "$2" >"$state/image-stamp"
  printf '%s\n' "$1" >"$state/nodes"
}

network_is_up() { [ "$(stat -f -c %T "$state/network" 2>/dev/null)" = nsfs ]; }
in_network() { nsenter --net="$state/network" -- "$@"; }

# Repeatable: what is there already stays, what is missing is added.
network_up() {
  local name
  if ! network_is_up; then
    : >"$state/network"
    unshare --net="$state/network" true || die "cannot make a network namespace: is this a container without the right to?"
  fi
  in_network ip link set lo up
  in_network ip link show bed >/dev/null 2>&1 || in_network ip link add bed type bridge
  in_network ip addr replace "$vm_network.254/24" dev bed
  in_network ip link set bed up
  for name in $(node_names); do
    in_network ip link show "tap-$name" >/dev/null 2>&1 || in_network ip tuntap add "tap-$name" mode tap ||
      die "cannot make a tap device: is /dev/net/tun there?"
    in_network ip link set "tap-$name" master bed up
  done
}

network_down() {
  # More than one mount can lie there after runs that were killed.
  while network_is_up; do umount -- "$state/network"; done
}

# Leaves nothing: no process, mount, interface or file of the bed, whatever state it was found in.
bed_down() {
  local pid
  for pid in $(bed_processes); do kill -KILL "$pid" 2>/dev/null || true; done
  poll 20 bed_is_quiet || die "these processes of the bed do not end: $(bed_processes | paste -sd' ')"
  network_down
  rm -rf --one-file-system -- "$run" "$state/nodes" "$state/image" "$state/image-stamp" "$state/network" "$state/keys" "$state/machines"
}
bed_is_quiet() { [ -z "$(bed_processes)" ]; }

# Every process of this bed: machines and ssh connections, known by a name or path in their command lines that only this
# bed uses. Pid files alone would miss those whose file was lost.
bed_processes() {
  local file name=${run##*/}
  for file in /proc/[0-9]*/cmdline; do
    case $(cat "${file%cmdline}comm" 2>/dev/null) in ssh | qemu* | ld-linux*) ;; *) continue ;; esac
    if grep -qzE "^(guest=$name-[a-z0-9]+|(ssh: )?$run/[a-z0-9-]+( \\[mux\\])?)\$" "$file" 2>/dev/null; then
      file=${file%/cmdline}
      echo "${file#/proc/}"
    fi
  done
}
