# vm_guest.sh - what is inside a virtual machine of the test bed: stock Debian 13, less what only costs time.
#
# Emulated code runs some fifteen times slower than native, so every service that starts counts. What a site's node has
# and Stasis may meet stays (dbus, udev, journald, munge, NFS, Slurm's own units); what serves no purpose here is masked.
# What differs from node to node is not in the image: it arrives with the initrd, see vm_files.sh.
# shellcheck shell=bash disable=SC2034

guest_packages=(
  linux-image-cloud-amd64 systemd-sysv udev dbus kmod openssh-server iproute2 procps
  slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge criu nfs-kernel-server nfs-common
  # what jobs and those who look after them use
  python3 strace less attr busybox-static
  # what our own packages depend on: the machines have no network to fetch it from
  libprotobuf-lite32t64 libzstd1 libssl3t64 libcap2
)
case $debian_suite in
trixie) guest_packages+=(libfmt10 libyaml-cpp0.8) ;;
*) guest_packages+=(libfmt11 libyaml-cpp0.9) ;;
esac

# What the disk and the network need, if the kernel does not have it built in.
guest_boot_modules=(virtio_pci virtio_blk ext4 virtio_net)

guest_masked_units=(
  getty.target serial-getty@.service getty@.service
  systemd-logind.service systemd-pstore.service systemd-hwdb-update.service systemd-firstboot.service
  systemd-update-utmp.service systemd-tpm2-setup-early.service systemd-tpm2-setup.service systemd-binfmt.service
  systemd-machine-id-commit.service systemd-boot-random-seed.service ldconfig.service sshd-keygen.service
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service
  systemd-tmpfiles-clean.timer systemd-remount-fs.service systemd-random-seed.service
  # loading their modules takes seconds; who needs one mounts it
  sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount
  modprobe@configfs.service modprobe@fuse.service modprobe@drm.service modprobe@efi_pstore.service
  # NFS 4.2 alone needs none of NFS 3's helpers, nor Kerberos'
  rpcbind.service rpcbind.socket rpc-statd.service rpc-statd-notify.service nfs-blkmap.service nfs-idmapd.service
  rpc-gssd.service rpc-svcgssd.service auth-rpcgss-module.service nfsv4-server.service
)

# The first program of a machine: as little as gets the disk and the network going. Network addresses set here stay.
guest_init() {
  cat <<'SH'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
for module in $($b cat /modules/order); do $b insmod /modules/$module; done
$b mount -t ext4 -o noatime /dev/vda /disk || exit 1
$b cp -af /node/files/. /disk/ || exit 1
$b ip link set lo up
$b ip addr add "$($b cat /node/address)" dev eth0
$b ip link set eth0 up
$b umount /proc
$b mount -o move /dev /disk/dev
exec $b switch_root /disk /sbin/init
SH
}

# guest_customize ROOT: turns a fresh Debian into a node's.
guest_customize() {
  local root=$1 unit
  guest_users "$root"
  guest_sshd "$root"
  for unit in "${guest_masked_units[@]}"; do ln -sfn /dev/null "$root/etc/systemd/system/$unit"; done
  # Which of these a machine starts depends on its part: vm_files.sh says.
  rm -f "$root"/etc/systemd/system/multi-user.target.wants/{slurmctld,slurmd,nfs-server}.service
  rm -f "$root/etc/machine-id" "$root/etc/hostname"
  # What building the image told apt and dpkg (no documentation, for one) does not hold for packages installed later.
  rm -f "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$root/etc/apt/apt.conf.d/99mmdebstrap"
  # Or the first boot would rebuild catalogs and accounts that the packages' installation has just made.
  touch "$root/etc/.updated" "$root/var/.updated"
  # So that the journal of a machine that was killed is there when it is started again.
  install -d -m 755 "$root/var/log/journal"
  install -d -m 1777 "$root/scratch"
  sed -i 's/^hosts:.*/hosts: files/' "$root/etc/nsswitch.conf"
  install -d -o 64030 -g 64030 -m 755 "$root/var/spool/slurmctld" "$root/var/log/slurm"
  install -d -m 755 "$root/var/spool/slurmd"
}

guest_users() {
  local root=$1 name uid
  for name in alice:1001 bob:1002; do
    uid=${name#*:} name=${name%:*}
    printf '%s:x:%s:%s::/home/%s:/bin/bash\n' "$name" "$uid" "$uid" "$name" >>"$root/etc/passwd"
    printf '%s:x:%s:\n' "$name" "$uid" >>"$root/etc/group"
    printf '%s:*:20000:0:99999:7:::\n' "$name" >>"$root/etc/shadow"
    cp -rT "$root/etc/skel" "$root/home/$name"
    chown -R "$uid:$uid" "$root/home/$name"
    chmod 700 "$root/home/$name"
  done
}

# ssh is the bed's cable into a machine, not part of what is tested: no PAM session, one key for every account.
guest_sshd() {
  rm -f "$1"/etc/ssh/ssh_host_*
  cat >"$1/etc/ssh/sshd_config.d/bed.conf" <<'TXT'
UsePAM no
PasswordAuthentication no
AuthorizedKeysFile /etc/ssh/bed_key.pub
HostKey /etc/ssh/bed_host_key
MaxSessions 200
MaxStartups 100
UseDNS no
PrintMotd no
PrintLastLog no
SetEnv LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
TXT
  # An account whose password field says "locked" may not even use a key without PAM.
  sed -i 's/^root:[^:]*:/root:*:/' "$1/etc/shadow"
}
