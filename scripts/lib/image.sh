# image.sh - the Debian 13 root that every node of the namespace test bed runs on.
#
# Built once per recipe into $cache_root/cluster/<hash of the recipe>/root, under another name until it is whole, so that
# a build cut off half-way is simply built again. Every bed works on a copy of its own. STASIS_BED_PROGRAMS=1 takes a copy
# of that image with more programs in it, kept beside it: see image_programs.sh.
# shellcheck shell=bash

# hash_of FILE...: of them and the release
hash_of() {
  local sum
  sum=$({ printf '%s\n' "$debian_suite" && cat -- "$@"; } | sha256sum)
  printf '%s\n' "${sum:0:12}"
}

image_files=("$top"/scripts/lib/{image_recipe.sh,image_build.sh,criu_rlimit_shim.c})
image_hash() { hash_of "${image_files[@]}"; }
programs_hash() { hash_of "${image_files[@]}" "$top/scripts/lib/image_programs.sh"; }

# The name of the image that this bed is made of.
image_name() {
  if [ "${STASIS_BED_PROGRAMS:-0}" = 1 ]; then printf 'programs-%s\n' "$(programs_hash)"; else image_hash; fi
}
image_root() { printf '%s/cluster/%s/root\n' "$cache_root" "$1"; }

# image_copy TARGET: a copy of the image there, built first where that is needed. One run at a time on this machine works
# on images, so that none is cleared away while it is copied.
image_copy() {
  local target=$1 name
  name=$(image_name)
  mkdir -p "$cache_root/cluster" "$cache_root/logs" || die "cannot write in $cache_root: set STASIS_BED_CACHE"
  exec 8>"$cache_root/cluster/lock"
  if ! flock -n 8; then
    say "another run works on the test bed's image; waiting for it"
    flock 8
  fi
  # Before the image is built, which takes minutes.
  need_space "$state" 3000
  image_have "$name"
  cp -a --reflink=auto -- "$(image_root "$name")" "$target"
  exec 8>&-
}

# Leaves a whole image behind, or dies. Call with the image lock held.
image_have() {
  local name=$1
  if [ ! -d "$(image_root "$name")" ]; then
    image_clear_leftovers
    case $name in
    programs-*) programs_build "$name" ;;
    *) image_build "$name" ;;
    esac
  fi
  # Keeps it from the clearing of unused ones.
  touch -- "$cache_root/cluster/$name"
}

image_build() {
  local dir=$cache_root/cluster/$1 log=$cache_root/logs/image-$1.log mirror
  need_space "$cache_root" 4000
  mirror=$(apt_mirror)
  debian_mirror_answers "$mirror"
  say "building the test bed's Debian image (once, some minutes; log: $log)"
  mkdir -p "$dir"
  quietly "$log" "building the test bed's image from $mirror" dies_with_us bash \
    "$top/scripts/lib/image_build.sh" "$dir/building" "$mirror"
  mv -- "$dir/building" "$dir/root"
}

programs_build() {
  local dir=$cache_root/cluster/$1 log=$cache_root/logs/image-$1.log
  image_have "$(image_hash)"
  need_space "$cache_root" 6000
  say "adding programs to the test bed's Debian image (once, some minutes; log: $log)"
  mkdir -p "$dir"
  cp -a --reflink=auto -- "$(image_root "$(image_hash)")" "$dir/building"
  quietly "$log" "adding programs to the test bed's image" image_programs_install "$dir/building"
  mv -- "$dir/building" "$dir/root"
}

# dies_with_us CMD...: in mount and PID namespaces of its own, which end with this shell, however that ends: nothing keeps
# running or mounted when somebody kills it half-way.
dies_with_us() {
  setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child=KILL -- "$@" 8>&- 9>&-
}

# in_root ROOT [FROM[:TO[:rw]]]... -- CMD...: runs CMD in that root, where this machine's FROM is at TO, usually to be read
# only.
in_root() {
  # shellcheck disable=SC2016 # for the inner shell
  dies_with_us bash -euc '
    root=$1
    shift
    while [ "$1" != -- ]; do
      IFS=: read -r from to how <<<"$1"
      mount --bind "$from" "$root${to:-$from}"
      [ "$how" = rw ] || mount -o remount,bind,ro "$root${to:-$from}"
      shift
    done
    shift
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root "$@"
  ' in_root "$@"
}

# Builds that were cut off, and images that no bed was made from for two weeks.
image_clear_leftovers() {
  local old
  for old in "$cache_root"/cluster/*/; do
    if [ ! -d "$old" ]; then continue; fi
    if [ ! -d "${old}root" ] || [ -n "$(find "$old" -maxdepth 0 -mtime +14)" ]; then
      rm -rf --one-file-system -- "$old"
    fi
  done
}
