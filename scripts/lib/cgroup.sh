# cgroup.sh - the cgroups that a bed's processes are in, and by which they are found and killed.
#
# With cgroup v1 the bed has a directory below this script's own in every hierarchy that Slurm uses, each node one below
# that, and every node a cgroup namespace, so that its Slurm sees whole hierarchies. With cgroup v2 there is one
# directory, at the top: only there are the controllers to be had.
#
#   $state/cgroups  "CONTROLLERS DIRECTORY" of each hierarchy; v2's only one is called unified
# shellcheck shell=bash

cgroup_top=/sys/fs/cgroup

# Finds out which version this machine has and makes the bed's cgroups; dies where it has none that serve.
bed_cgroups_make() {
  local controllers path
  : >"$state/cgroups.new"
  while IFS=: read -r _ controllers path; do
    case $controllers in
    freezer | memory | cpuset | cpu | cpuacct | devices | cpu,cpuacct | cpuacct,cpu)
      [ -d "$cgroup_top/$controllers$path" ] ||
        die "$cgroup_top/$controllers is not mounted, and this test bed needs it: try scripts/vmcluster"
      printf '%s %s\n' "$controllers" "$cgroup_top/$controllers${path%/}/$bed_name" >>"$state/cgroups.new"
      ;;
    esac
  done </proc/self/cgroup
  if [ ! -s "$state/cgroups.new" ]; then
    cgroup2_prepare
    printf 'unified %s\n' "$cgroup_top/$bed_name" >"$state/cgroups.new"
  else
    for controllers in freezer memory cpuset; do
      grep -q "^$controllers " "$state/cgroups.new" ||
        die "this machine has no cgroup v1 '$controllers' controller, which this test bed needs: try scripts/vmcluster"
    done
  fi
  mv "$state/cgroups.new" "$state/cgroups"
  cgroups_make ""
}

cgroup_is_v2() { grep -q '^unified ' "$state/cgroups"; }

# The controllers that Slurm's cgroup/v2 wants, switched on at the top. They stay on: another bed may use them, and the
# machine loses nothing by it.
cgroup2_prepare() {
  [ -r "$cgroup_top/cgroup.controllers" ] || die "finds no cgroups at $cgroup_top: this test bed needs them; try scripts/vmcluster"
  cgroup2_enable "$cgroup_top"
}
cgroup2_enable() {
  local controller
  for controller in cpuset cpu memory pids; do
    grep -qw "$controller" "$1/cgroup.subtree_control" && continue
    { echo "+$controller" >"$1/cgroup.subtree_control"; } 2>/dev/null ||
      die "cannot switch the cgroup controller '$controller' on in $1 (inside a container?): try scripts/vmcluster"
  done
}

# cgroups_make NODE: its directory in every hierarchy (an empty name: the bed's own).
cgroups_make() {
  local controller dir
  while read -r controller dir; do
    dir=$dir${1:+/$1}
    mkdir -p "$dir" 2>/dev/null || die "cannot make the cgroup $dir (is $cgroup_top read-only?): try scripts/vmcluster"
    case $controller:$1 in
    cpuset:*)
      # A new v1 cpuset has neither processors nor memory, and takes no process before it has both.
      cat "${dir%/*}/cpuset.cpus" >"$dir/cpuset.cpus"
      cat "${dir%/*}/cpuset.mems" >"$dir/cpuset.mems"
      ;;
    unified:)
      # Only a cgroup without processes of its own has children with controllers, hence the directory for the holder.
      mkdir -p "$dir/holder"
      cgroup2_enable "$dir"
      ;;
    unified:*) mkdir -p "$dir/init.scope" ;;
    esac
  done <"$state/cgroups"
}

# cgroups_enter NODE: moves the calling shell to where the node's processes are (an empty name: the bed's).
cgroups_enter() {
  local controller dir
  while read -r controller dir; do
    case $controller:$1 in
    unified:) dir=$dir/holder ;;
    unified:*) dir=$dir/$1/init.scope ;;
    *) dir=$dir/$1 ;;
    esac
    echo "$BASHPID" >"$dir/cgroup.procs"
  done <"$state/cgroups"
}

# cgroups_freeze NODE: its processes stand still. Best effort: one that hangs in the kernel does not.
cgroups_freeze() {
  local controller dir
  while read -r controller dir; do
    dir=$dir/$1
    case $controller in
    freezer)
      echo FROZEN >"$dir/freezer.state"
      poll 1 grep -q FROZEN "$dir/freezer.state" || true
      ;;
    unified)
      echo 1 >"$dir/cgroup.freeze"
      poll 1 grep -q 'frozen 1' "$dir/cgroup.events" || true
      ;;
    esac
  done <"$state/cgroups"
}

# cgroup_kill DIR: every process in a v1 freezer's or a v2 cgroup's directory and below, without running one more
# instruction of its program.
cgroup_kill() {
  local dir=$1 file
  if [ -e "$dir/cgroup.kill" ]; then
    echo 1 >"$dir/cgroup.kill"
    return
  fi
  [ -e "$dir/freezer.state" ] || return 0
  echo FROZEN >"$dir/freezer.state"
  # shellcheck disable=SC2038 # cat prints numbers
  find "$dir" -name cgroup.procs -exec cat {} + 2>/dev/null | xargs -r kill -KILL 2>/dev/null || true
  # Jobs that Slurm had suspended are frozen on their own.
  find "$dir" -name freezer.state 2>/dev/null | while read -r file; do
    { echo THAWED >"$file"; } 2>/dev/null || true
  done
}

# cgroups_remove NODE: kills what is in its cgroups and removes them.
cgroups_remove() {
  local controller dir
  [ -r "$state/cgroups" ] || return 0
  while read -r controller dir; do
    case $controller in freezer | unified) cgroup_kill "$dir${1:+/$1}" ;; esac
  done <"$state/cgroups"
  while read -r controller dir; do
    poll 20 cgroup_remove_tree "$dir${1:+/$1}" || say "could not remove the cgroup $dir${1:+/$1}: a process in it does not die"
  done <"$state/cgroups"
}
cgroup_remove_tree() {
  [ -d "$1" ] || return 0
  find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
  [ ! -d "$1" ]
}

# What an earlier run of this bed may have left anywhere, its record lost.
bed_cgroups_find() {
  find "$cgroup_top" -type d -name "$bed_name" -prune 2>/dev/null || true
}
