# slurm_conf.sh - the test bed's Slurm configuration: what a real site would have, with only those timeouts shortened
# that a test would otherwise sit out. What Stasis has to overcome (the begin delay of a requeue, output files truncated
# at a restart) stays at Slurm's defaults.
# shellcheck shell=bash

# The variants of `up --with`, for what behaves differently on other sites.
slurm_variants='linuxproc tmpfs'

# slurm_conf_write NODES VARIANT...
slurm_conf_write() {
  local nodes=$1 etc=$state/etc/slurm i
  shift
  mkdir -p "$etc/plugstack.conf.d" "$state/etc/stasis"
  {
    echo "127.0.0.1 localhost"
    echo "$(node_address ctl) ctl"
    for ((i = 1; i <= nodes; i++)); do echo "$(node_address "n$i") n$i"; done
  } >"$state/etc/hosts.new"
  # Nodes have this very file mounted.
  cat "$state/etc/hosts.new" >"$state/etc/hosts"
  slurm_conf "$nodes" "$@" >"$etc/slurm.conf"
  slurmdbd_conf >"$etc/slurmdbd.conf"
  cgroup_conf >"$etc/cgroup.conf"
  printf 'AutoBasePath=true\nBasePath=/local/job_container\n' >"$etc/job_container.conf"
  cat >"$etc/taskprolog.sh" <<'TXT'
#!/bin/sh
echo "export BED_TASK_PROLOG=ran-on-$(hostname)"
# Sites with local disks give each job a directory on them; here only jobs that want to be like theirs.
if [ -n "$SITE_TMPDIR" ]; then
  mkdir -p -m 700 "/local/$SLURM_JOB_ID"
  echo "export TMPDIR=/local/$SLURM_JOB_ID"
fi
TXT
  chmod 755 "$etc/taskprolog.sh"
  echo 'include /etc/slurm/plugstack.conf.d/*.conf' >"$etc/plugstack.conf"
  cp -- "$top/scripts/lib/services.sh" "$etc/services.sh"
  [ -s "$etc/slurm.key" ] || head -c 1024 /dev/urandom >"$etc/slurm.key"
  chown "$(slurm_owner)" "$etc/slurm.key" "$etc/slurmdbd.conf"
  chmod 600 "$etc/slurm.key" "$etc/slurmdbd.conf"
}

# The slurm user's numbers are the image's.
slurm_owner() { awk -F: '$1 == "slurm" { print $3 ":" $4 }' "$state/root/etc/passwd"; }

slurm_conf() {
  local nodes=$1 cpus memory proctrack=cgroup container=''
  cpus=$(nproc)
  # Each node has the whole machine's memory and promises a part of it.
  memory=$(awk '$1 == "MemTotal:" { m = int($2 / 1024 * 0.8); print m < 5000 ? m : 5000 }' /proc/meminfo)
  case " $* " in *' linuxproc '*) proctrack=linuxproc ;; esac
  case " $* " in *' tmpfs '*) container=JobContainerType=job_container/tmpfs ;; esac
  cat <<TXT
ClusterName=bed
SlurmctldHost=ctl
SlurmUser=slurm
AuthType=auth/slurm
CredType=cred/slurm
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurmctld/slurmctld.pid
SlurmdPidFile=/run/slurmd/slurmd.pid
SlurmctldDebug=debug
SlurmctldLogFile=/var/log/slurmctld.log
SlurmdDebug=debug
SlurmdLogFile=/var/log/slurmd.log
PlugStackConfig=/etc/slurm/plugstack.conf
ProctrackType=proctrack/$proctrack
$container
TaskPlugin=task/cgroup,task/affinity
JobAcctGatherType=jobacct_gather/cgroup
JobAcctGatherFrequency=task=10
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=ctl
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=256
PrologFlags=Contain
TaskProlog=/etc/slurm/taskprolog.sh
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
MpiDefault=none

# Shortened where a test would only sit and wait.
KillWait=10
SlurmdTimeout=45

NodeName=n[1-$nodes] CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES PriorityTier=10 PreemptMode=OFF MaxTime=INFINITE
PartitionName=preempt Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE
PartitionName=preempt-grace Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
TXT
}

slurmdbd_conf() {
  cat <<'TXT'
AuthType=auth/slurm
DbdHost=ctl
SlurmUser=slurm
PidFile=/run/slurmdbd/slurmdbd.pid
LogFile=/var/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc=slurm_acct_db
TXT
}

cgroup_conf() {
  if cgroup_is_v2; then
    printf '%s\n' CgroupPlugin=cgroup/v2 IgnoreSystemd=yes EnableControllers=yes
  else
    printf '%s\n' CgroupPlugin=cgroup/v1
  fi
  printf '%s\n' CgroupMountpoint=/sys/fs/cgroup ConstrainCores=yes ConstrainRAMSpace=yes ConstrainSwapSpace=no
}
