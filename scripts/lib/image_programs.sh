# image_programs.sh - the programs that the workloads of tests/workloads run, as a layer on top of the test bed's image: with
# STASIS_BED_PROGRAMS=1 a bed is made of a copy of the image with these packages installed. With the image's recipe this
# file decides the layer's name: change it and the next `up` builds a new one.
# shellcheck shell=bash

program_packages=(
  # languages
  python3-numpy r-base-core octave default-jdk-headless nodejs gfortran
  # parallel ones, and what scientists run
  openmpi-bin libopenmpi-dev gromacs lammps
  # what scripts are made of
  make zstd imagemagick tmux
  # CRIU brought its libnl from the next release, so what Open MPI needs of it has to come from there as well.
  libnl-route-3-200/"$image_next_suite" libnl-route-3-dev/"$image_next_suite" libnl-3-dev/"$image_next_suite"
)

# image_programs_install ROOT: from the mirror that the image was made from.
image_programs_install() {
  local root=$1 proxy=''
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  # No package starts a service in there.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  # The image has no man pages; Java's alternatives want their directory all the same.
  mkdir -p "$root/usr/share/man/man1"
  : >"$root/etc/resolv.conf"
  # Names are resolved as this machine does.
  in_root "$root" /etc/resolv.conf /etc/hosts -- env DEBIAN_FRONTEND=noninteractive ${proxy:+"http_proxy=$proxy"} sh -euc '
    apt-get -q -y -o Acquire::Languages=none update
    apt-get -q -y install --no-install-recommends "$@"
    apt-get clean
    rm -rf /var/lib/apt/lists/*
  ' programs "${program_packages[@]}" || return
  rm -f -- "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf"
  find "$root/var/log" -type f -delete
}
