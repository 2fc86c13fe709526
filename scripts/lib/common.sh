# common.sh - what every script here shares: how to speak, how to fail, where Debian's packages come from.
# Sourced, never run. Exit codes everywhere: 0 done, 1 it failed, 2 it was called wrongly.
# shellcheck shell=bash

set -euo pipefail
umask 022
# A test bed is the same whatever the caller's shell looks like.
export LC_ALL=C.UTF-8
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

top=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
program=${program:-$(basename -- "$0")}

# What both test beds keep between runs: images are costly and shared by all checkouts, state is each checkout's own.
cache_root=${STASIS_BED_CACHE:-/var/cache/stasis-bed}
state_root=${STASIS_BED_STATE:-/var/lib/stasis-bed}

say() { printf '%s: %s\n' "$program" "$*" >&2; }
die() {
  say "$*"
  exit 1
}
usage_error() {
  say "$*"
  exit 2
}

need_root() {
  [ "$(id -u)" -eq 0 ] || usage_error "needs root: run it as 'sudo $0'"
}

# need_space DIR MIB: refuse before a build fills the disk half-way through.
need_space() {
  local free
  mkdir -p -- "$1" 2>/dev/null || die "cannot make the directory $1: set STASIS_BED_CACHE and STASIS_BED_STATE to writable ones"
  free=$(df --output=avail -m -- "$1" | tail -n 1 | tr -d ' ')
  [ "$free" -ge "$2" ] ||
    die "needs $2 MiB free in $1 and finds $free MiB: free some, or set STASIS_BED_CACHE and STASIS_BED_STATE to a larger disk"
}

# The Debian mirror this machine itself uses, so that no script names one. STASIS_APT_MIRROR overrides it.
apt_mirror() {
  if [ -n "${STASIS_APT_MIRROR:-}" ]; then
    printf '%s\n' "${STASIS_APT_MIRROR%/}"
    return
  fi
  local uri
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null |
    head -n 1)
  # Before the first apt-get update there are no index targets with an origin: read the sources as written.
  [ -n "$uri" ] || uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | head -n 1)
  [ -n "$uri" ] || die "finds no Debian mirror in apt's configuration: set STASIS_APT_MIRROR=http://.../debian"
  printf '%s\n' "${uri%/}"
}

# One line that names the checkout in everything this machine sees of its test beds.
bed_id() {
  local sum
  if [ -z "${STASIS_BED:-}" ]; then
    sum=$(printf '%s' "$top" | sha256sum)
    printf '%s' "${sum:0:8}"
    return
  fi
  # It becomes part of paths and of names that the kernel keeps.
  [[ $STASIS_BED =~ ^[a-z0-9][a-z0-9-]{0,19}$ ]] ||
    usage_error "STASIS_BED takes up to 20 small letters, digits and dashes, not '$STASIS_BED'"
  printf '%s' "$STASIS_BED"
}

# Runs a long command with its output in a log, and shows the log's end only when it fails.
quietly() {
  local log=$1 what=$2
  shift 2
  mkdir -p -- "$(dirname -- "$log")"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 15 -- "$log" | sed 's/^/    /' >&2
    die "$what failed; the whole log is $log"
  fi
}
