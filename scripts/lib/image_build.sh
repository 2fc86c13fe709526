#!/usr/bin/env bash
# image_build.sh TARGET MIRROR - makes the test bed's root at TARGET. Run by image.sh, in a mount namespace of its own,
# so that whatever ends it, no mount stays behind.
. "$(dirname -- "$0")/common.sh"
. "$top/scripts/lib/vm_debian.sh"
. "$top/scripts/lib/image_recipe.sh"

root=$1
mirror=$2
eval "$(apt-config shell proxy Acquire::http::Proxy)"

in_root() {
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
    ${proxy:+"http_proxy=$proxy"} "$@"
}

base_system() {
  debian_root "$root" "$mirror" minbase "${image_packages[@]}"
  # The build resolves names as this machine does.
  rm -f "$root"/etc/{resolv.conf,hosts}
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  cp -L /etc/hosts "$root/etc/hosts"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/run"
  mount -t tmpfs tmpfs "$root/tmp"
}

# The next release is there for CRIU and what CRIU needs, and for nothing else.
criu() {
  if [ "$debian_suite" != trixie ]; then
    in_root apt-get -q -y -o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 -o Acquire::Languages=none update
    in_root apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends criu
    return
  fi
  # A mirror frozen at some day serves the next release with an index that has run out, signed all the same.
  printf 'deb %s %s main\n' "$mirror" "$debian_suite" >"$root/etc/apt/sources.list"
  printf 'deb [check-valid-until=no] %s %s main\n' "$mirror" "$image_next_suite" >>"$root/etc/apt/sources.list"
  printf 'Package: *\nPin: release n=%s\nPin-Priority: 50\n' "$image_next_suite" >"$root/etc/apt/preferences.d/next"
  in_root apt-get -q -y -o Acquire::Retries=3 -o Acquire::Languages=none update
  in_root apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Options::=--force-unsafe-io \
    install --no-install-recommends "criu/$image_next_suite"
  in_root apt-get clean
  rm -rf "${root:?}"/var/lib/apt/lists/*
}

# See design: machines that lack CAP_SYS_RESOURCE cannot read other users' rlimits, and CRIU must. Only here.
criu_with_rlimits() {
  cp -- "$top/scripts/lib/criu_rlimit_shim.c" "$root/tmp/shim.c"
  in_root gcc -O2 -Wall -Werror -shared -fPIC -o /usr/lib/criu_rlimit_shim.so /tmp/shim.c
  rm "$root/tmp/shim.c"
  in_root dpkg-divert --local --rename --divert /usr/sbin/criu.real --add /usr/sbin/criu
  cat >"$root/usr/sbin/criu" <<'TXT'
#!/bin/sh
LD_PRELOAD=/usr/lib/criu_rlimit_shim.so exec /usr/sbin/criu.real "$@"
TXT
  chmod 755 "$root/usr/sbin/criu"
}

users() {
  local name uid=1001
  for name in alice bob; do
    in_root useradd --uid "$uid" --user-group --create-home --shell /bin/bash "$name"
    uid=$((uid + 1))
  done
  # A second group, so that supplementary groups are something to keep.
  in_root groupadd --gid 2001 research
  in_root usermod -a -G research alice
}

# A ready accounting database; each bed's controller starts from a copy of it.
database() {
  local data=/var/lib/mysql
  rm -rf "${root:?}$data"
  # Small and not durable: it holds the accounts of a few test jobs.
  cat >"$root/etc/mysql/mariadb.conf.d/99-bed.cnf" <<'TXT'
[mariadbd]
skip-networking
innodb_log_file_size=8M
innodb_buffer_pool_size=32M
innodb_flush_log_at_trx_commit=0
performance_schema=0
TXT
  in_root install -d -o mysql -g mysql -m 700 "$data"
  in_root mariadb-install-db --user=mysql --datadir="$data" --auth-root-authentication-method=socket --skip-test-db
  in_root /bin/sh -c "printf '%s\n' 'FLUSH PRIVILEGES;' 'CREATE DATABASE slurm_acct_db;' \
    'CREATE USER slurm@localhost IDENTIFIED VIA unix_socket;' 'GRANT ALL ON slurm_acct_db.* TO slurm@localhost;' |
    mariadbd --user=mysql --datadir=$data --bootstrap"
  mkdir -p "$root/usr/share/stasis-bed"
  mv "$root$data" "$root/usr/share/stasis-bed/mysql"
  in_root install -d -o mysql -g mysql -m 700 "$data"
}

mount_points() {
  mkdir -p "$root"/{scratch,local,src,build,etc/slurm,etc/stasis,var/lib/stasis,var/spool/slurmd,var/spool/slurmctld}
  rm -f "$root"/etc/{resolv.conf,hosts,hostname} "$root/usr/sbin/policy-rc.d"
  : >"$root/etc/hosts"
  find "$root/var/log" -type f -delete
  umount -R "$root/dev" "$root/run" "$root/proc" "$root/tmp"
}

rm -rf --one-file-system -- "$root"
mkdir -p -- "$root"
base_system
criu
criu_with_rlimits
users
database
mount_points
