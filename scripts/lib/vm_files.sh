# vm_files.sh - what makes an image a certain node: its name, keys, Slurm's configuration, its part of the work.
#
# The files travel as a second archive behind the image's initrd, and the guest's first program puts them in place at
# every boot. So nothing has to be configured once a machine runs, and a machine that is started again is whole.
#
# Slurm's configuration is what a real site has. Only what a test would sit out is shortened; what Stasis has to
# overcome (the requeue's begin delay, output truncated at a restart) and KillWait, in which a last dump has to fit,
# stay at Slurm's defaults. There is no accounting database: mariadb alone takes longer to start, emulated, than all
# the rest, and the namespace bed has one.
# shellcheck shell=bash disable=SC2034,SC2154

vm_memory_mib=${STASIS_VM_MEMORY:-1024}
vm_cpus=2

# files_write NAME: the node's initrd, ready to boot.
files_write() {
  local name=$1 machine=$state/machines/$1 image tree
  image=$(cat "$state/image")
  tree=$machine/tree
  rm -rf -- "$tree"
  mkdir -p -- "$tree/node/files/etc/systemd/system/multi-user.target.wants"
  echo "$(node_address "$name")/24" >"$tree/node/address"
  files_common "$tree/node/files" "$name" "$image"
  if [ "$name" = ctl ]; then files_controller "$tree/node/files"; else files_compute "$tree/node/files"; fi
  (cd "$tree" && find . | cpio -o -H newc --quiet) | cat "$image/initrd" - >"$machine/initrd"
  rm -rf -- "$tree"
}

# file PATH: standard input becomes that file below the tree $files of the caller.
file() {
  mkdir -p -- "$(dirname -- "$files/$1")"
  cat >"$files/$1"
}

enable() { ln -sfn "/usr/lib/systemd/system/$1" "$files/etc/systemd/system/multi-user.target.wants/$1"; }

files_common() {
  local files=$1 name=$2 image=$3 node munge_owner
  echo "$name" | file etc/hostname
  printf '%s-%s' "$(bed_id)" "$name" | md5sum | cut -c1-32 | file etc/machine-id
  {
    echo "127.0.0.1 localhost"
    for node in $(node_names); do echo "$(node_address "$node") $node"; done
  } | file etc/hosts
  file etc/ssh/bed_key.pub <"$state/keys/user.pub"
  file etc/ssh/bed_host_key <"$state/keys/host"
  chmod 600 "$files/etc/ssh/bed_host_key"
  file etc/munge/munge.key <"$state/keys/munge"
  munge_owner=$(awk '$1 == "munge" { print $2 ":" $3 }' "$image/uids")
  chown -R "$munge_owner" "$files/etc/munge"
  chmod 700 "$files/etc/munge"
  chmod 400 "$files/etc/munge/munge.key"
  file etc/stasis/key <"$state/keys/stasis"
  chmod 600 "$files/etc/stasis/key"
  slurm_conf "$(cat "$state/nodes")" | file etc/slurm/slurm.conf
  file etc/slurm/cgroup.conf <<'TXT'
CgroupPlugin=cgroup/v2
ConstrainCores=yes
ConstrainRAMSpace=yes
ConstrainSwapSpace=yes
TXT
}

files_controller() {
  local files=$1
  enable slurmctld.service
  enable nfs-server.service
  file etc/exports <<TXT
/home    $vm_network.0/24(rw,root_squash,no_subtree_check,fsid=1)
/scratch $vm_network.0/24(rw,root_squash,no_subtree_check,fsid=2)
TXT
  # The lease is also how long clients wait for a server that came back: the default of 90 s is a test's patience.
  file etc/nfs.conf <<'TXT'
[nfsd]
threads=4
vers3=n
lease-time=15
grace-time=15
TXT
}

files_compute() {
  local files=$1
  enable slurmd.service
  # A node may be up before the server is: the mount goes on trying.
  file etc/fstab <<'TXT'
ctl:/home    /home    nfs4 rw,hard,noatime,retry=10,x-systemd.mount-timeout=600 0 0
ctl:/scratch /scratch nfs4 rw,hard,noatime,retry=10,x-systemd.mount-timeout=600 0 0
TXT
}

slurm_conf() {
  local nodes="n[1-$1]"
  [ "$1" -gt 1 ] || nodes=n1
  cat <<TXT
ClusterName=vms
SlurmctldHost=ctl
SlurmUser=slurm
AuthType=auth/munge
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup,task/affinity
JobAcctGatherType=jobacct_gather/cgroup
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=200
PrologFlags=Contain
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
MpiDefault=none
# Shortened where a test would only sit and wait.
SlurmdTimeout=30
# Lengthened, for emulated machines are slow.
MessageTimeout=60
BatchStartTimeout=60

NodeName=$nodes CPUs=$vm_cpus RealMemory=$((vm_memory_mib * 7 / 8)) State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES PriorityTier=10 PreemptMode=OFF
PartitionName=high Nodes=ALL PriorityTier=100 PreemptMode=OFF
PartitionName=preempt Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE
PartitionName=preempt-grace Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
TXT
}
