# image_recipe.sh - what is in the test bed's Debian image. With image_build.sh and the release it decides the image's name:
# change one of them and the next `up` builds a new image.
# shellcheck shell=bash disable=SC2154

# Kernels from 6.16 on need CRIU >= 4.2, which only the release after Debian 13 has.
image_next_suite=forky

image_packages=(
  # the cluster
  slurmctld slurmd slurmdbd slurm-client slurm-wlm-basic-plugins sackd mariadb-server libpam-systemd-
  # the nodes
  tini runit iproute2 iputils-ping procps psmisc util-linux libcap2-bin xfsprogs less nano- python3-minimal python3
  sqlite3 attr acl bsdextrautils strace
  # building the product inside the image, against its Slurm
  g++ cmake ninja-build pkg-config libslurm-dev libfmt-dev libyaml-cpp-dev nlohmann-json3-dev libcli11-dev libzstd-dev libxxhash-dev
  libprotobuf-dev protobuf-compiler libssl-dev libcap-dev libexpected-dev libgtest-dev libgmock-dev libarchive-dev
)
# The release after Debian 13 does not have it; tests of a store that fails need it.
[ "$debian_suite" != trixie ] || image_packages+=(python3-fusepy)
