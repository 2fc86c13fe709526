# vm_node.sh - one virtual machine: start it, kill it, know whether it runs; and the cable into it, an ssh connection
# per node and user that stays open, because an emulated handshake takes a second and a command on an open one a tenth.
# shellcheck shell=bash disable=SC2154

# The pid of the machine's qemu; fails when it is not running. A pid is believed only with our name in its command line.
node_pid() {
  local pid
  pid=$(cat "$run/$1.pid" 2>/dev/null) || return 1
  [ -n "$pid" ] && grep -qzxF -- "guest=$(basename "$run")-$1" "/proc/$pid/cmdline" 2>/dev/null || return 1
  printf '%s\n' "$pid"
}
node_is_up() { node_pid "$1" >/dev/null; }

# What the guest's kernel is told of its clock, which is the host's own cycle counter. Left to measure its rate it has
# come out, on a busy host, with 69 MHz for 2596, and the guest's time ran 37 times too fast. Linux shows twice the rate
# as bogomips. tsc=reliable: nor is it to be given up as unstable for a slower one.
clock_parameters() {
  awk -F: 'tolower($1) ~ /^bogomips/ { printf "tsc_early_khz=%d ", $2 * 500; exit }' /proc/cpuinfo
  printf 'tsc=reliable'
}

# node_power_on NAME: returns when the machine is going, long before it answers. A first start makes its disk.
node_power_on() {
  local name=$1 machine=$state/machines/$1 image mac
  image=$(cat "$state/image")
  mac=$(printf '52:54:00:77:00:%02x' "$(node_number "$name")")
  [ "$(image_stamp "$image")" = "$(cat "$state/image-stamp")" ] ||
    die "the image this bed was started from is gone: 'scripts/vmcluster down', then 'up'"
  install -d -m 700 -- "$run" "$machine"
  channel_close "$name"
  if [ ! -e "$machine/disk.qcow2" ]; then
    vm_qemu "$image" qemu-img create -q -f qcow2 -F raw -b "$image/disk.img" "$machine/disk.new"
    mv -- "$machine/disk.new" "$machine/disk.qcow2"
  fi
  files_write "$name"
  # cache=unsafe: what the guest wrote outlives the qemu all the same, it is in the host's memory; and it is fast.
  # -cpu max: everything the emulator knows, the same on every machine and every host, xsave and AVX2 included.
  # What is switched off (SATA, SMBus, nested virtualization) would only make the guest load drivers.
  # mitigations=off: page table isolation would flush the emulator's address cache at every system call.
  in_network "$image/qemu/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" \
    --library-path "$image/qemu/usr/lib/x86_64-linux-gnu" "$image/qemu/usr/bin/qemu-system-x86_64" \
    -name "guest=$(basename "$run")-$name" -L "$image/qemu/usr/share/qemu" -L "$image/qemu/usr/share/seabios" \
    -machine q35,sata=off,smbus=off -accel tcg,thread=multi -cpu max,svm=off -smp "$vm_cpus" -m "$vm_memory_mib" \
    -nodefaults -no-user-config -display none -no-reboot -daemonize -pidfile "$run/$name.pid" \
    -kernel "$image/vmlinux" -initrd "$machine/initrd" \
    -append "console=ttyS0 quiet panic=1 net.ifnames=0 systemd.ssh_auto=no nokaslr mitigations=off nowatchdog $(clock_parameters)" \
    -drive "if=none,id=disk,file=$machine/disk.qcow2,format=qcow2,cache=unsafe" -device virtio-blk-pci,drive=disk \
    -netdev "tap,id=net,ifname=tap-$name,script=no,downscript=no" \
    -device "virtio-net-pci,netdev=net,mac=$mac,romfile=" -device virtio-rng-pci \
    -chardev "file,id=console,path=$machine/console.log,append=on" -serial chardev:console \
    </dev/null >"$machine/qemu.log" 2>&1 8>&- ||
    die "$name's qemu did not start: $(tail -n 1 "$machine/qemu.log")"
}

# node_wait NAME: until commands can be run on it. Sets its clock, too, as a site's time service does: a machine starts
# with whole seconds, so two of them could be a second apart.
# A machine that ends or hangs at its start gets a second one: an `up` that was killed can take a qemu with it that it
# was just starting.
node_wait() {
  local name=$1
  if ! node_answers_within 240 "$name"; then
    say "$name does not come up; starting it once more"
    node_kill "$name"
    node_power_on "$name"
    node_answers_within 240 "$name" || die "$name does not come up: see $state/machines/$name/console.log"
  fi
  in_node "$name" date -s "@$(date +%s.%N)" >/dev/null
}

# Fails at once when the machine has ended.
node_answers_within() {
  local until=$((SECONDS + $1))
  until channel_open "$2" root; do
    node_is_up "$2" && [ $SECONDS -lt $until ] || return 1
    sleep 0.5
  done
}

# As if its power went.
node_kill() {
  local pid
  if pid=$(node_pid "$1"); then
    kill -KILL "$pid"
    poll 20 node_is_down "$1" || die "$1's qemu (pid $pid) does not end"
  fi
  channel_close "$1"
  rm -f -- "$run/$1.pid"
}
node_is_down() { ! node_is_up "$1"; }

# What every ssh of the bed shares. The network is the bed's own, so there is no one whose key had to be checked.
channel_options=(
  -F none -i "$state/keys/user" -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR
  -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o KexAlgorithms=curve25519-sha256
  -o ConnectTimeout=10 -o ServerAliveInterval=20 -o ServerAliveCountMax=6
)
channel_works() { [ -S "$run/$1-$2" ] && ssh -F none -S "$run/$1-$2" -O check "$1" >/dev/null 2>&1; }

# channel_open NODE USER: makes sure there is a connection; fails when the node does not answer.
channel_open() {
  local socket=$run/$1-$2
  ! channel_works "$1" "$2" || return 0
  rm -f -- "$socket"
  # Nothing of the caller's may be held open by a connection that stays: who reads its output would wait for ever.
  in_network ssh "${channel_options[@]}" -S "$socket" -M -N -f "$2@$(node_address "$1")" </dev/null >/dev/null 2>&1 8>&-
}

channel_close() {
  local socket
  for socket in "$run/$1"-*; do
    [ -e "$socket" ] || continue
    ssh -F none -S "$socket" -O exit "$1" >/dev/null 2>&1 || true
    rm -f -- "$socket"
  done
}

# node_exec NODE USER CMD...: runs CMD there with the caller's stdio, and ends with its exit status.
node_exec() {
  local name=$1 user=$2 socket=$run/$1-$2 tty=() status=0 command
  shift 2
  node_is_up "$name" || die "$name is not running: 'scripts/vmcluster start $name' starts it"
  poll 60 channel_open "$name" "$user" || die "$name does not answer: see 'scripts/vmcluster logs $name'"
  if [ -t 0 ] && [ -t 1 ]; then tty=(-t); fi
  command=$(printf '%q ' "$@")
  # "exit": a shell that stays tells 128+N of a command that a signal killed; ssh alone could only say 255.
  ssh -F none -S "$socket" "${tty[@]}" -o LogLevel=ERROR -o BatchMode=yes "$user@$name" "$command; exit" || status=$?
  if [ "$status" -eq 255 ] && ! channel_works "$name" "$user"; then
    say "lost the connection to $name while the command ran"
  fi
  return "$status"
}

# As root, for the scripts' own questions; nothing of the caller's stdin goes there.
in_node() { (node_exec "$1" root "${@:2}") </dev/null; }
