#!/usr/bin/env bash
# vm_image_build.sh DIR MIRROR - makes the image that vm_image.sh describes, in DIR. Run by vm_image.sh alone.
# A program of its own, so that the first step that fails ends it.
# shellcheck disable=SC1091,SC2154
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
for part in debian guest; do
  # shellcheck source=/dev/null
  . "$top/scripts/lib/vm_$part.sh"
done

dir=$1 mirror=$2
disk_size=8G
root=$dir/root

# The kernel out of a bzImage: its header says where the compressed one lies.
unpack_kernel() {
  python3 - "$1" >"$2" <<'PY'
import struct, subprocess, sys
image = open(sys.argv[1], "rb").read()
setup = (image[0x1F1] or 4) + 1
offset, length = struct.unpack_from("<II", image, 0x248)
start = setup * 512 + offset
packed = image[start : start + length - 4]  # the last 4 bytes are the unpacked size
program = "lz4" if packed.startswith(b"\x02\x21\x4c\x18") else "zstd"  # Debian 12's, and later ones
sys.stdout.buffer.write(subprocess.run([program, "-dqc"], input=packed, stdout=subprocess.PIPE, check=True).stdout)
PY
}

# boot_modules: their paths in the root, each behind those that it needs.
boot_modules() {
  local module
  for module in "${guest_boot_modules[@]}"; do
    chroot "$root" modprobe --show-depends -S "$(basename "$root"/usr/lib/modules/*)" "$module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

make_initrd() {
  local tree=$dir/initrd.tree paths path name
  paths=$(boot_modules)
  mkdir -p "$tree"/{bin,modules,dev,proc,disk}
  cp "$root/usr/bin/busybox" "$tree/bin/busybox"
  for path in $paths; do
    name=$(basename "${path%.xz}")
    if [ "$path" = "${path%.xz}" ]; then
      cp "$root$path" "$tree/modules/$name"
    else
      xz -dc "$root$path" >"$tree/modules/$name"
    fi
    echo "$name" >>"$tree/modules/order"
  done
  guest_init >"$tree/init"
  chmod 755 "$tree/init"
  (cd "$tree" && find . | cpio -o -H newc --quiet) >"$dir/initrd"
  rm -rf -- "$tree"
}

# In the place of the release's own.
take_other_kernel() {
  debian_suite=$kernel_suite debian_root "$dir/kernel" "$mirror" extract linux-image-cloud-amd64
  rm -rf -- "${root:?}"/boot/* "$root"/usr/lib/modules/*
  cp -a "$dir"/kernel/boot/vmlinuz-* "$root/boot/"
  cp -a "$dir"/kernel/lib/modules/* "$root/usr/lib/modules/"
  chroot "$root" depmod "$(basename "$root"/usr/lib/modules/*)"
  rm -rf --one-file-system -- "$dir/kernel"
}

mkdir -p -- "$dir"
debian_root "$dir/qemu" "$mirror" extract qemu-system-x86 qemu-utils &
qemu=$!
debian_root "$root" "$mirror" minbase "${guest_packages[@]}"
wait "$qemu"
[ -z "$kernel_suite" ] || take_other_kernel

guest_customize "$root"
awk -F: '$1 == "munge" || $1 == "slurm" { print $1, $3, $4 }' "$root/etc/passwd" >"$dir/uids"
unpack_kernel "$(echo "$root"/boot/vmlinuz-*)" "$dir/vmlinux"
make_initrd
mke2fs -q -t ext4 -F -L root -d "$root" "$dir/disk.img" "$disk_size"
rm -rf --one-file-system -- "$root"
