# vm_image.sh - the Debian 13 disk, kernel and emulator that every virtual machine of the test bed starts from.
#
# Built once per recipe into $cache_root/vm/image-<hash of the recipe>/, under another name until it is whole, so that a
# build cut off half-way is simply built again. All checkouts use it read-only: a machine writes into an overlay.
#
#   disk.img   the root file system (sparse)
#   vmlinux    Debian's kernel, unpacked: the emulator would spend seconds on unpacking it at every boot
#   initrd     loads the disk's and the network's driver, puts a node's own files in place, starts systemd
#   uids       "NAME UID GID" of the accounts that own files which every node gets of its own
#   qemu/      Debian 13's qemu. Not the host's: Debian 12's 7.2 corrupts EFLAGS after an unlocked cmpxchg16b, which
#              crashes a 6.12 kernel at random, and 10.0 boots a guest in three quarters of the time.
# shellcheck shell=bash disable=SC2154

vm_cache=$cache_root/vm

vm_image_key() {
  { printf "%s\n" "$debian_suite$kernel_suite" && cat -- "$top"/scripts/lib/vm_{image_build,guest,debian}.sh; } | sha256sum | cut -c1-12
}
vm_image_dir() { printf '%s/image-%s\n' "$vm_cache" "$(vm_image_key)"; }

# Leaves a whole image behind, or dies. One build at a time on this machine; a second `up` waits for the first.
vm_image_ensure() {
  local dir log mirror
  dir=$(vm_image_dir)
  mkdir -p -- "$vm_cache"
  if [ ! -d "$dir" ]; then
    log=$cache_root/logs/vm-image.log
    (
      flock 9
      [ ! -d "$dir" ] || exit 0
      need_space "$vm_cache" 4000
      mirror=$(apt_mirror)
      debian_mirror_answers "$mirror"
      say "building the virtual machines' Debian image (once; log: $log)"
      remove_leftovers image-
      quietly "$log" "building the virtual machines' image" \
        bash "$top/scripts/lib/vm_image_build.sh" "$dir.building" "$mirror"
      mv -- "$dir.building" "$dir"
    ) 9>"$vm_cache/lock"
  fi
  # A mark of use: what nothing used for long makes room, see remove_leftovers.
  touch -- "$dir"
}

# remove_leftovers PREFIX: builds that were cut off, and what no bed has used for two weeks. Call with the lock held.
remove_leftovers() {
  local old
  for old in "$vm_cache/$1"*.building; do
    [ ! -e "$old" ] || rm -rf --one-file-system -- "$old"
  done
  find "$vm_cache" -maxdepth 1 -name "$1*" -mtime +14 -exec rm -rf --one-file-system -- {} +
}

# Runs a program of the image's qemu with the libraries it was built for, whatever the host's are.
vm_qemu() {
  local image=$1 program=$2 usr
  shift 2
  usr=$image/qemu/usr
  "$usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --library-path "$usr/lib/x86_64-linux-gnu" "$usr/bin/$program" "$@"
}
