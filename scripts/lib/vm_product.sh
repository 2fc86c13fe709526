# vm_product.sh - this tree's Debian packages, built inside Debian 13 and installed on the machines as a site would.
#
# They are built natively, in a Debian root of their own (the builder), which is shared by all checkouts and made anew
# when packaging/debian/control asks for other packages. A tree that has not changed is not built again.
#
#   $vm_cache/builder-<hash>/   the builder
#   $vm_cache/ccache/           the compiler's cache
#   $state/product/             the packages; `sources` there is the hash of the tree that they were made from
# shellcheck shell=bash disable=SC2016,SC2154

builder_packages() {
  printf '%s\n' build-essential fakeroot ccache
  awk '/^Build-Depends:/ { on = 1; next } /^[^ ]/ { on = 0 } on && !/<!nocheck>/ { gsub(/[ ,]|\(.*\)/, ""); print }' \
    "$top/packaging/debian/control"
}
builder_dir() {
  printf '%s/builder-%s\n' "$vm_cache" "$({ printf '%s\n' "$debian_suite" && builder_packages | cat - "$top/scripts/lib/vm_debian.sh"; } | sha256sum | cut -c1-12)"
}

builder_ensure() {
  local dir mirror packages
  dir=$(builder_dir)
  mapfile -t packages < <(builder_packages)
  mkdir -p -- "$vm_cache"
  if [ ! -d "$dir" ]; then
    (
      flock 9
      [ ! -d "$dir" ] || exit 0
      need_space "$vm_cache" 3000
      mirror=$(apt_mirror)
      debian_mirror_answers "$mirror"
      say "making a Debian to build packages in (once; log: $cache_root/logs/vm-builder.log)"
      remove_leftovers builder-
      quietly "$cache_root/logs/vm-builder.log" "making a Debian to build packages in" \
        debian_root "$dir.building" "$mirror" minbase "${packages[@]}"
      mv -- "$dir.building" "$dir"
    ) 9>"$vm_cache/lock"
  fi
  touch -- "$dir"
}

# Runs CMD in the builder, with the tree's copy at /src (read-only) and $state/product at /out, in namespaces that end
# with it: mounts and processes, whatever happens.
in_builder() {
  mkdir -p -- "$vm_cache/ccache"
  unshare --mount --propagation private --pid --fork --kill-child=KILL -- bash -euc '
    root=$1 src=$2 out=$3 ccache=$4
    shift 4
    mount -t tmpfs bed "$root/mnt"
    mkdir "$root/mnt/src" "$root/mnt/out" "$root/mnt/ccache"
    mount --bind "$src" "$root/mnt/src"
    mount -o remount,bind,ro "$root/mnt/src"
    mount --bind "$out" "$root/mnt/out"
    mount --bind "$ccache" "$root/mnt/ccache"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
      CCACHE_DIR=/mnt/ccache CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache \
      DEB_BUILD_OPTIONS="nocheck noautodbgsym terse" DEB_BUILD_PROFILES=nocheck "$@"
  ' in_builder "$(builder_dir)" "$1" "$state/product" "$vm_cache/ccache" "${@:2}" 8>&- 9>&-
}

# Leaves the tree's packages in $state/product.
product_build() {
  local source=$state/source hash
  rm -rf --one-file-system -- "$source"
  mkdir -p -- "$source"
  # Without the tests, which are no part of a package: a change to one need not build it again.
  "$top/scripts/package" --sources | grep -zv '^tests/' | tar -C "$top" --null -T - -cf - | tar -C "$source" -xf -
  hash=$(tar -C "$source" --sort=name --mtime=@0 --owner=0 --group=0 -cf - . | sha256sum)
  if [ "$(cat "$state/product/sources" 2>/dev/null)" != "$hash" ]; then
    builder_ensure
    rm -rf --one-file-system -- "$state/product"
    mkdir -p -- "$state/product"
    say "building the tree's Debian packages (log: $state/product/package.log)"
    quietly "$cache_root/logs/vm-package.log" "building the tree's Debian packages" \
      in_builder "$source" /mnt/src/scripts/package /mnt/out
    printf '%s\n' "$hash" >"$state/product/sources"
  fi
  rm -rf --one-file-system -- "$source"
}

# Installs the packages on every machine that runs and does not have them, all machines at once.
product_install() {
  local name pids=() pid
  cp -- "$top/scripts/lib/stasis.yaml" "$state/product/stasis.yaml"
  for name in $(node_names); do
    if node_is_up "$name"; then
      product_install_on "$name" &
      pids+=($!)
    fi
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
}

product_install_on() {
  local name=$1 mark=/var/lib/bed-product hash
  hash=$(cut -c1-64 "$state/product/sources")
  [ "$(in_node "$name" cat "$mark" 2>/dev/null)" != "$hash" ] || return 0
  # The packages travel as one archive, with the test beds' policy, which stands in for what a site would configure. What
  # dpkg says is of interest only when it fails. A running slurmd has read the list of SPANK plugins already.
  (cd "$state/product" && tar -cf - -- *.deb stasis.yaml) |
    node_exec "$name" root sh -euc '
      mark=$1 hash=$2
      rm -rf /root/product
      mkdir /root/product
      tar -C /root/product -xmf -
      if ! dpkg --force-confnew -i /root/product/*.deb >/root/product/log 2>&1; then
        tail -n 15 /root/product/log >&2
        exit 1
      fi
      cp /root/product/stasis.yaml /etc/stasis/stasis.yaml
      systemctl try-restart stasisd slurmd
      # A machine that is killed now has what was installed, like one whose power goes a while later.
      sync
      echo "$hash" >"$mark"
    ' install "$mark" "$hash" || die "installing the packages on $name failed"
}
