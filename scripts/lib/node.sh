# node.sh - one node of the namespace test bed: started, killed as if its power went, entered.
#
#   $state/nodes/NAME/node         "PID STARTTIME" of its first process, as this machine sees it
#   $state/nodes/NAME/disk.xfs     its local disk: /local, /tmp and most of /var
#   $state/nodes/NAME/log          its /var/log, as if it were sent to another machine: a power cut loses nothing of it
#   $state/nodes/NAME/console.log  what its start printed
# shellcheck shell=bash

node_names() { [ ! -d "$state/nodes" ] || ls -- "$state/nodes"; }
node_pid() { recorded_process "$state/nodes/$1/node" 2>/dev/null; }
node_is_up() { node_pid "$1" >/dev/null; }
node_is_gone() { ! node_is_up "$1"; }

node_require() {
  [ -n "$1" ] || usage_error "which node? There are $(node_list)"
  [[ $1 =~ ^[a-z0-9]+$ ]] && [ -d "$state/nodes/$1" ] || usage_error "there is no node '$1': there are $(node_list)"
}
node_list() { node_names | paste -sd' '; }

# The address ends in 10 for the controller and 10 + N for node nN.
node_address() {
  case $1 in
  ctl) printf '%s.10\n' "$network" ;;
  n*) printf '%s.%s\n' "$network" $((10 + ${1#n})) ;;
  esac
}

# The cable survives a node's death. Every step may have been made already, by a start that was cut off.
node_network() {
  local name=$1
  in_bed bash -euc '
    name=$1 address=$2
    [ -e "/run/netns/$name" ] || ip netns add "$name"
    ip link show "$name" >/dev/null 2>&1 || ip link add "$name" type veth peer name eth0 netns "$name"
    ip link set "$name" master br0
    ip -n "$name" addr replace "$address/24" dev eth0
    ip -n "$name" link set eth0 up
    ip -n "$name" link set lo up
    ip link set "$name" up
  ' node_network "$name" "$(node_address "$name")"
}

# cpus: the numbers of the processors this program may use.
cpus() {
  local list range
  list=$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)
  for range in ${list//,/ }; do seq "${range%-*}" "${range#*-}"; done
}

# The processor to make a node's mount namespace on. Linux 6.18 numbers namespaces from a stock that each processor has
# of its own, and still takes the numbers for an order: it lets nobody bind-mount a namespace with a lower number than
# that of his own, which job_container/tmpfs does for every job. So a node gets the lowest number there is.
node_first_cpu() {
  local cpu lowest='' dir=$state/nodes
  for cpu in $(cpus); do
    # shellcheck disable=SC2016 # for the inner shell
    if [ -n "$lowest" ] && taskset -c "$lowest" unshare --mount --propagation private bash -euc '
      mount -t tmpfs tmpfs "$1"
      mount --make-private "$1"
      : >"$1/namespace"
      taskset -c "$2" unshare --mount="$1/namespace" true
    ' node_first_cpu "$dir" "$cpu" 2>/dev/null; then continue; fi
    lowest=$cpu
  done
  printf '%s\n' "$lowest"
}

node_start() {
  local name=$1 dir=$state/nodes/$1 cpu all
  mkdir -p "$dir/log"
  if [ ! -e "$dir/disk.xfs" ]; then
    truncate -s 20G "$dir/disk.new"
    mkfs.xfs -q -f -m reflink=1 "$dir/disk.new"
    mv "$dir/disk.new" "$dir/disk.xfs"
  fi
  # A start that was cut off may have left something running.
  cgroups_remove "$name"
  cgroups_make "$name"
  node_network "$name"
  all=$(cpus | paste -sd,)
  cpu=$all
  case " $(cat "$state/with") " in *' tmpfs '*) cpu=$(node_first_cpu) ;; esac
  rm -f "$dir/node"
  (
    cgroups_enter ""
    cd /
    # From here on no descriptor of ours goes along: CRIU refuses to dump what it finds inherited.
    exec setsid nsenter -t "$(bed_pid)" -m -u -i -p -n -- nsenter --net="/run/netns/$name" -- \
      taskset -c "$cpu" unshare --mount --propagation private --uts --ipc --pid --fork --kill-child=KILL -- \
      taskset -c "$all" bash "$top/scripts/lib/node_boot.sh" "$state" "$name" </dev/null >"$dir/console.log" 2>&1 8>&- 9>&-
  ) &
  disown
  poll 20 node_is_up "$name" || die "node $name did not start ($(tail -n 1 "$dir/console.log")): see $dir/console.log"
}

# As if the power went, all at once: it stands still, its cable is dead, what it had not brought to its disk is lost, and
# only then its processes end, none of which gets to say goodbye to anybody.
node_kill() {
  local name=$1 pid
  if pid=$(node_pid "$name"); then cgroups_freeze "$name"; fi
  in_bed ip link set "$name" down
  if [ -n "$pid" ]; then xfs_io -x -c shutdown "/proc/$pid/root/local" 2>/dev/null || true; fi
  cgroups_remove "$name"
  poll 30 node_is_gone "$name" || die "node $name does not die"
  poll 30 node_disk_is_free "$name" || die "node $name is dead and its disk is still in use: see 'losetup'"
  rm -f "$state/nodes/$name/node"
}
node_disk_is_free() { ! losetup -nlO BACK-FILE | grep -qF "$state/nodes/$1/"; }

# node_remove NAME: for good.
node_remove() {
  node_kill "$1"
  in_bed ip netns delete "$1"
  rm -rf --one-file-system -- "$state/nodes/$1"
}

# node_exec NAME USER CMD...: replaces this process by CMD on the node, with this process's stdio and nothing else of it.
# tini passes signals on to CMD, and its end back, as 128 + N where it was a signal.
node_exec() {
  local name=$1 user=$2 pid home fd
  shift 2
  pid=$(node_pid "$name") || die "node $name is down: 'scripts/cluster start $name' starts it"
  cgroups_enter "$name" 2>/dev/null || die "node $name has just died: 'scripts/cluster start $name' starts it"
  for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    [ "$fd" -le 2 ] || [ "$fd" -eq 255 ] || eval "exec $fd>&-"
  done
  local as=()
  if [ "$user" = root ]; then
    home=/root
  else
    home=/home/$user
    as=(setpriv --reuid "$user" --regid "$user" --init-groups --)
  fi
  exec nsenter -t "$pid" -m -u -i -n -p -C --no-fork -- /usr/bin/env -i -C "$home" \
    HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/bash TERM="${TERM:-dumb}" LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /usr/bin/tini -s -- "${as[@]}" "$@"
}
