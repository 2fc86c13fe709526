# bed.sh - the namespace test bed as a whole: one process holds it, and everything else lives inside that process's
# mount, network, PID, IPC and UTS namespaces. When it is killed the kernel takes every node, mount, interface and
# process with it, so nothing can be left behind but directories and empty cgroups.
#
#   $state/lock        held by every verb that changes the bed; says who holds it
#   $state/bed         "PID STARTTIME" of the holding process, as this machine sees it
#   $state/size        how many nodes it has besides ctl
#   $state/with        its variants
#   $state/cgroups     where the bed's cgroups are: see cgroup.sh
#   $state/root        this checkout's copy of the image, with the product installed into it
#   $state/build       the build made inside the image
#   $state/shared      /home and /scratch of all nodes
#   $state/etc         /etc/slurm and /etc/stasis of all nodes
#   $state/nodes/NAME  a node: see node.sh
# shellcheck shell=bash

state=$state_root/$(bed_id)
bed_name=stasis-${state##*/}
# Beds of one name in different places are different beds.
[ "$state_root" = /var/lib/stasis-bed ] || bed_name+=-$(printf '%s' "$state_root" | cksum | cut -d' ' -f1)
network=10.77.0

# bed_lock VERB: runs the rest of the program with the bed to itself. Descriptor 9 holds the lock; what outlives this
# program is started without it.
bed_lock() {
  mkdir -p -- "$state" 2>/dev/null || die "cannot write in $state_root: set STASIS_BED_STATE to a directory that can be written"
  exec 9>>"$state/lock"
  if ! flock -n 9; then
    say "another run works on this bed ($(tail -n 1 "$state/lock")); waiting for it"
    flock 9
  fi
  printf 'pid %s: %s\n' $$ "$1" >"$state/lock"
}

# recorded_process FILE: the pid a file "PID STARTTIME" names, if that process is still there. A pid is believed only
# with its start time, for pids come round again.
recorded_process() {
  local pid start
  read -r pid start 2>/dev/null <"$1" || return 1
  process_is_there "$pid" "$start" || return 1
  printf '%s\n' "$pid"
}
process_is_there() {
  local stat fields
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # After the name, which may contain anything: first the state, where a Z is dead, and 20th the start time.
  read -ra fields <<<"${stat##*) }"
  [ "${fields[0]}" != Z ] && [ -n "$2" ] && [ "${fields[19]}" = "$2" ]
}

bed_pid() { recorded_process "$state/bed" 2>/dev/null; }
bed_is_up() { bed_pid >/dev/null; }
bed_require() { bed_is_up || die "the test bed is down: 'scripts/cluster up' starts it"; }

# in_bed CMD...: on the switch, so to speak - the bed's own namespaces, outside of every node.
in_bed() { nsenter -t "$(bed_pid)" -m -n -u -i -p -- "$@" 9>&-; }

# poll SECONDS CMD...: until CMD succeeds; fails when the time is over.
poll() {
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.05
  done
}

bed_start() {
  mkdir -p "$state/nodes" "$state/shared" "$state/etc"
  cp -a "$state/root/home" "$state/shared/home"
  install -d -m 1777 "$state/shared/scratch"
  bed_cgroups_make
  rm -f "$state/bed"
  (
    cgroups_enter ""
    cd /
    exec setsid unshare --mount --propagation private --net --uts --ipc --pid --fork --kill-child=KILL -- \
      bash "$top/scripts/lib/bed_boot.sh" "$state" "$network" </dev/null >"$state/bed.log" 2>&1 9>&-
  ) &
  disown
  poll 20 bed_is_up || die "the test bed did not start ($(tail -n 1 "$state/bed.log")): see $state/bed.log"
}

# Leaves nothing of a running bed, nor of one whose holder was killed. What costs time to make again stays: the image's
# copy and the build.
bed_down() {
  local dir pid
  if pid=$(bed_pid); then kill -KILL "$pid"; fi
  cgroups_remove ""
  # A bed without its record: a start that was cut off, a state directory that was deleted.
  bed_cgroups_find | while read -r dir; do
    cgroup_kill "$dir"
    poll 20 cgroup_remove_tree "$dir" || say "could not remove the cgroup $dir"
  done
  poll 30 bed_is_gone || die "the test bed's process $pid does not end"
  poll 30 bed_disks_are_free || say "a loop device still uses a disk in $state/nodes: see 'losetup'"
  rm -rf --one-file-system -- "${state:?}"/{nodes,nodes.new,shared,etc,bed,bed.new,bed.log,cgroups,cgroups.new,size,with,conf}
}
bed_is_gone() { ! bed_is_up; }
# A killed node's disk is unmounted by the kernel, in its own time.
bed_disks_are_free() { ! losetup -nlO BACK-FILE | grep -qF "$state/nodes/"; }
