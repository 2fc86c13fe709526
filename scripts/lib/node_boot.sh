#!/usr/bin/env bash
# node_boot.sh STATE NAME - the first process of a node: its cgroups, its file systems, its root, its services.
#
# The root is the bed's one image, read-only for everybody as on a diskless node; what a node writes is its own disk,
# the shared directories, or gone with /run.
set -euo pipefail
state=$1
name=$2
root=$state/nodes/$name/root
disk=$state/nodes/$name/disk

# Runs twice: first to enter the cgroups that shall be the root of what the node sees, then inside of that.
if [ $# -eq 2 ]; then
  while read -r _ dir; do echo 0 >"$dir/$name/cgroup.procs"; done <"$state/cgroups"
  exec unshare --cgroup -- bash "$0" "$state" "$name" again
fi

# /proc is still the machine's, so this shell can read who it is out there.
read -r pid _ </proc/self/stat
start=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20)
hostname "$name"

cgroups() {
  local controller dir
  read -r controller dir <"$state/cgroups"
  if [ "$controller" = unified ]; then
    # As systemd has it: the first process in a leaf of its own, for a cgroup with processes gives no controllers.
    echo 0 >"$dir/$name/init.scope/cgroup.procs"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    echo "+cpuset +cpu +memory +pids" >"$root/sys/fs/cgroup/cgroup.subtree_control"
    return
  fi
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  while read -r controller _; do
    mkdir "$root/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "$root/sys/fs/cgroup/$controller"
  done <"$state/cgroups"
}

devices() {
  local device path major minor
  mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
  for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 fuse:10:229; do
    IFS=: read -r path major minor <<<"$device"
    mknod -m 666 "$root/dev/$path" c "$major" "$minor"
  done
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s /proc/self/fd/0 "$root/dev/stdin"
  ln -s /proc/self/fd/1 "$root/dev/stdout"
  ln -s /proc/self/fd/2 "$root/dev/stderr"
}

# A new disk gets the image's own directories; /tmp is empty after every start, as Debian has it.
local_disk() {
  local dir
  mkdir -p "$disk"
  mount -o loop "$disk.xfs" "$disk"
  if [ ! -e "$disk/formatted" ]; then
    mkdir -p "$disk"/var/lib "$disk/local" "$disk/var/tmp"
    cp -a "$root/var/spool" "$disk/var/"
    cp -a "$root"/var/lib/{stasis,slurm} "$disk/var/lib/"
    if [ "$name" = ctl ]; then
      cp -a "$root/usr/share/stasis-bed/mysql" "$disk/var/lib/"
    else
      mkdir "$disk/var/lib/mysql"
    fi
    chmod 1777 "$disk/local" "$disk/var/tmp"
    cp -a "$root/var/log/." "$state/nodes/$name/log/"
    : >"$disk/formatted"
    sync -f "$disk"
  fi
  rm -rf "$disk/tmp"
  mkdir -m 1777 "$disk/tmp"
  for dir in local tmp var/tmp var/spool var/lib/stasis var/lib/slurm var/lib/mysql; do
    mount --bind "$disk/$dir" "$root/$dir"
  done
  mount --bind "$state/nodes/$name/log" "$root/var/log"
}

shared() {
  mount --bind "$state/shared/home" "$root/home"
  mount --bind "$state/shared/scratch" "$root/scratch"
  mount --bind "$state/etc/slurm" "$root/etc/slurm"
  mount --bind "$state/etc/stasis" "$root/etc/stasis"
  mount --bind "$state/etc/hosts" "$root/etc/hosts"
}

mkdir -p "$root"
mount --bind "$state/root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
cgroups
devices
mount -t tmpfs -o mode=755 tmpfs "$root/run"
local_disk
shared

# A real root, not a chroot: CRIU needs one.
cd "$root"
mkdir run/old
pivot_root . run/old
# The record is made through the old root while it is still there.
printf '%s %s\n' "$pid" "$start" >"/run/old$state/nodes/$name/node.new"
mv "/run/old$state/nodes/$name/node.new" "/run/old$state/nodes/$name/node"
umount -l /run/old
rmdir /run/old
exec /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
  /usr/bin/tini -s -- /bin/bash /etc/slurm/services.sh "$name"
