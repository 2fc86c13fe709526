# product.sh - this tree, built inside the test bed's image against the image's Slurm, and installed into it.
# shellcheck shell=bash

# This checkout's copy of the image; made anew when the recipe has changed.
product_root() {
  local recipe
  recipe=$(image_name)
  [ "$(cat "$state/root.recipe" 2>/dev/null)" != "$recipe" ] || return 0
  bed_down
  rm -rf --one-file-system -- "${state:?}"/{root,root.recipe,root.files,build}
  image_copy "$state/root"
  printf '%s\n' "$recipe" >"$state/root.recipe"
}

# Runs CMD in the image, with the tree at /src (read-only) and the build at /build.
in_image() { in_root "$state/root" "$top:/src" "$state/build:/build:rw" -- "$@"; }

product_build() {
  mkdir -p "$state/build"
  quietly "$state/build.log" "building the tree inside the image" in_image /bin/sh -euc '
    [ -e /build/build.ninja ] || cmake -S /src -B /build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_TESTING=OFF \
      -DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_INSTALL_SYSCONFDIR=/etc -DCMAKE_INSTALL_LOCALSTATEDIR=/var
    cmake --build /build
    rm -rf /build/product
    DESTDIR=/build/product cmake --install /build
  '
}

# Programs go into the image, configuration into the bed's /etc. rsync replaces a file by renaming, so that a program
# that runs keeps its old file. Prints what it changed.
product_install() {
  local product=$state/build/product file
  (cd "$product" && find . -type f -o -type l) | sort >"$state/root.files.new"
  if [ -e "$state/root.files" ]; then
    # What an earlier build installed and this one does not.
    comm -23 "$state/root.files" "$state/root.files.new" | while read -r file; do rm -f -- "$state/root/$file"; done
  fi
  mv "$state/root.files.new" "$state/root.files"
  rsync -ai --exclude /etc "$product/" "$state/root/"
  rsync -ai "$product/etc/slurm/" "$state/etc/slurm/"
  rsync -ai --exclude stasis.yaml "$product/etc/stasis/" "$state/etc/stasis/"
  # The bed's policy: short intervals are allowed, and jobs of preempt are protected without asking.
  rsync -ai "$top/scripts/lib/stasis.yaml" "$state/etc/stasis/stasis.yaml"
  if [ ! -s "$state/etc/stasis/key" ]; then
    (umask 077 && printf 'bed %s\n' "$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')" >"$state/etc/stasis/key")
  fi
}

product_restart() {
  local name
  for name in $(node_names); do
    if node_is_up "$name" && [ "$name" != ctl ]; then
      node_service "$name" restart stasisd || say "stasisd did not restart on $name: scripts/cluster logs $name"
    fi
  done
}
