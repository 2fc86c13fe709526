#!/usr/bin/env bash
# services.sh NAME - inside a node: the services it runs, kept running by runit. `sv status|restart|down SERVICE` works
# there. Slurm's daemons log to /var/log/DAEMON.log; what a service prints is in /var/log/SERVICE/current, with the time.
set -euo pipefail
name=$1
services=/run/service

# service NAME COMMANDS
service() {
  local service=$1 log=/var/log/$1
  mkdir -p "$log" "$services/.$service/log"
  # svlogd's own rotation would keep too little of a long run.
  printf 's100000000\nn4\n' >"$log/config"
  printf '#!/bin/sh\nexec svlogd -ttt %s\n' "$log" >"$services/.$service/log/run"
  printf '#!/bin/sh\nexec 2>&1 </dev/null\ncd /\n%s\n' "$2" >"$services/.$service/run"
  chmod 755 "$services/.$service/run" "$services/.$service/log/run"
  # runsvdir looks at this directory all the time: a service appears whole.
  mv "$services/.$service" "$services/$service"
}

# As systemd would have it: a cgroup of its own, which Slurm's cgroup/v2 takes for its place.
slurmd_cgroup=''
# And what the unit takes from our daemon, as far as it needs no systemd.
stasisd_unit='
install -d -m 755 /run/stasis
umask 077
kept=$(sed -n "s/^CapabilityBoundingSet=//p" /usr/lib/systemd/system/stasisd.service | tr "A-Z\n" "a-z " | sed "s/ *cap_/,+/g")
exec setpriv --no-new-privs --bounding-set="-all${kept% }"'
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/system.slice/slurmd.service
  echo "+cpuset +cpu +memory +pids" >/sys/fs/cgroup/system.slice/cgroup.subtree_control
  slurmd_cgroup='echo 0 >/sys/fs/cgroup/system.slice/slurmd.service/cgroup.procs; export INVOCATION_ID=bed;'
fi

mkdir -p "$services"
case $name in
ctl)
  mkdir -p /run/mysqld /run/slurmctld /run/slurmdbd
  chown mysql:mysql /run/mysqld
  chown slurm:slurm /run/slurmctld /run/slurmdbd /var/spool/slurmctld
  touch /var/log/slurmctld.log /var/log/slurmdbd.log
  chown slurm:slurm /var/log/slurmctld.log /var/log/slurmdbd.log
  service mariadb 'exec mariadbd --user=mysql --datadir=/var/lib/mysql'
  service slurmdbd 'until [ -S /run/mysqld/mysqld.sock ]; do sleep 0.1; done; exec chpst -u slurm:slurm slurmdbd -D'
  service slurmctld 'exec chpst -u slurm:slurm slurmctld -D'
  ;;
*)
  mkdir -p /run/slurmd
  service slurmd "ulimit -l unlimited; $slurmd_cgroup exec slurmd -D"
  ln -sfn stasisd/current /var/log/stasisd.log
  if [ -x /usr/sbin/stasisd ]; then service stasisd "$stasisd_unit /usr/sbin/stasisd"; fi
  ;;
esac
export SVDIR=$services
exec runsvdir -P "$services"
