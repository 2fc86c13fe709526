# vm_debian.sh - Debian roots from the mirror that this machine itself uses.
#
# mmdebstrap takes half of debootstrap's time, and mounts in a namespace of its own: nothing stays mounted when it is
# killed half-way.
# shellcheck shell=bash

# The release of all of a test bed.
debian_suite=${STASIS_BED_SUITE:-trixie}
# The release whose kernel virtual machines run, if it is another one.
kernel_suite=${STASIS_BED_KERNEL:-}

# debian_root DIR MIRROR VARIANT PACKAGE...: a Debian with these packages. VARIANT is mmdebstrap's: minbase for a root
# to live in, extract for files alone.
debian_root() {
  local target=$1 mirror=$2 variant=$3 proxy='' packages
  shift 3
  packages=$(printf '%s,' "$@")
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  # A mirror frozen at some day serves a release that is not out yet with an index that has run out, signed all the same.
  # INITRD=No: Debian's own initrd would be made for nothing, the image has a smaller one.
  INITRD=No mmdebstrap --quiet --mode=root --variant="$variant" --include="${packages%,}" \
    ${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} --aptopt='Acquire::Retries "3"' \
    --aptopt="Acquire::Check-Valid-Until \"$([ "$debian_suite" = trixie ] && echo true || echo false)\"" \
    --aptopt='Apt::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$debian_suite" "$target" "$mirror"
}

# debian_mirror_answers MIRROR: or dies with the one thing that can be done about it.
debian_mirror_answers() {
  local probe
  probe=$(mktemp)
  if ! /usr/lib/apt/apt-helper -o Acquire::Retries=2 -o Acquire::http::Timeout=20 \
    download-file "$1/dists/$debian_suite/InRelease" "$probe" >/dev/null 2>&1; then
    rm -f -- "$probe"
    die "the Debian mirror $1 does not answer: check the network, or set STASIS_APT_MIRROR=http://.../debian"
  fi
  rm -f -- "$probe"
}
