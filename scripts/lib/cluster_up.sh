# cluster_up.sh - brings the test bed to what `up` was asked for, from whatever state it is in.
# shellcheck shell=bash

# cluster_up NODES VARIANTS: empty means as it is, or else the usual: 3 nodes, no variants.
cluster_up() {
  local nodes=$1 with=$2 name changed
  product_root
  need_space "$state" 500
  if bed_is_up; then
    : "${nodes:=$(cat "$state/size" 2>/dev/null || true)}"
    : "${with:=$(cat "$state/with" 2>/dev/null || true)}"
  fi
  : "${nodes:=3}"
  with=$(printf '%s\n' "$with" | tr ' ' '\n' | sort -u | sed '/^none$/d;/^$/d' | paste -sd' ')
  if ! bed_is_up || [ "$with" != "$(cat "$state/with" 2>/dev/null || true)" ]; then
    bed_down
    bed_start
    printf '%s' "$with" >"$state/with"
  fi
  printf '%s\n' "$nodes" >"$state/size"
  # shellcheck disable=SC2086 # a list of words
  slurm_conf_update "$nodes" $with
  # Slurm's own daemons take some seconds to start, in which the product is built.
  node_is_up ctl || node_start ctl
  product_build
  changed=$(product_install)
  for name in $(node_names); do
    [ "$name" = ctl ] || [ "${name#n}" -le "$nodes" ] || node_remove "$name"
  done
  if grep -q '^>f' <<<"$changed"; then product_restart; fi
  for name in $(seq -f 'n%g' 1 "$nodes"); do
    node_is_up "$name" || node_start "$name"
  done
  services_start
  slurm_restart_where_outdated
  slurm_ready "$nodes"
  node_down_trigger
  say "up: ctl and $nodes nodes${with:+, with $with}"
}

# slurm_conf_update NODES VARIANT...: writes Slurm's configuration, and a new stamp where it differs from the old one.
slurm_conf_update() {
  local before after
  before=$(cat "$state/conf" 2>/dev/null || true)
  slurm_conf_write "$@"
  after=$(cat "$state"/etc/slurm/*.conf "$state/etc/hosts" | cksum)
  [ "$before" = "$after" ] || printf '%s\n' "$after" >"$state/conf"
}

# What somebody stopped on a node that is up.
services_start() {
  local name
  for name in $(node_names); do
    # A node that has just been started has its services in a moment.
    poll 30 in_node "$name" sh -c 'cd /run/service && SVDIR=. exec sv start *' ||
      die "the services of $name do not start: scripts/cluster logs $name"
  done
}

# Daemons that run and were started with another configuration. Jobs do not mind.
slurm_restart_where_outdated() {
  local name service
  for name in $(node_names); do
    service=slurmd
    [ "$name" != ctl ] || service=slurmctld
    if [ "$state/conf" -nt "$state/nodes/$name/node" ]; then
      poll 30 node_service "$name" restart "$service" || die "$service does not restart on $name: scripts/cluster logs $name"
      touch -- "$state/nodes/$name/node"
    fi
  done
}

# slurm_ready NODES: Slurm works on all of them. A node it does not get to work is power-cycled once.
slurm_ready() {
  local name
  slurm_answers_soon || {
    say "slurmctld does not answer; starting ctl again"
    node_kill ctl
    node_start ctl
    slurm_answers_soon || die "slurmctld does not answer: scripts/cluster logs ctl"
  }
  for name in $(seq -f 'n%g' 1 "$1"); do
    node_ready_soon "$name" && continue
    say "Slurm does not get $name to work; starting it again"
    node_kill "$name"
    node_start "$name"
    node_ready_soon "$name" ||
      die "Slurm does not get $name to work ($(in_node ctl sinfo -hNo '%T %E' -n "$name" -p main)): scripts/cluster logs $name"
  done
  poll 30 slurm_accounts || die "slurmctld does not reach slurmdbd: scripts/cluster logs ctl"
}

# As docs tell an administrator: the Slurm user has slurmctld call us when a node has died.
node_down_trigger() {
  local program=/usr/libexec/stasis/node-down as_slurm=(setpriv --reuid slurm --regid slurm --init-groups --)
  in_node ctl "${as_slurm[@]}" strigger --get 2>/dev/null | grep -qF "$program" ||
    in_node ctl "${as_slurm[@]}" strigger --set --node --down --flags=perm --program="$program"
}

# A busy machine, as in a build, takes its time.
slurm_answers_soon() { poll 60 slurm_answers; }
slurm_answers() { in_node ctl scontrol ping | grep -q 'is UP'; }
slurm_accounts() { in_node ctl sacctmgr -nP show cluster format=ControlHost | grep -q .; }

# Slurm has it at work within a minute, with whatever drained it forgiven.
node_ready_soon() { poll 60 node_is_ready "$1"; }
node_is_ready() {
  local word
  word=$(in_node ctl sinfo -hNo '%T' -n "$1" -p main)
  case $word in
  idle | mixed | allocated | completing) ;;
  # A node that was dead is back with its first word: forgiven before, Slurm would take its jobs of before for those of
  # now, and abort them.
  drain* | down)
    in_node ctl scontrol update "NodeName=$1" State=RESUME
    return 1
    ;;
  *) return 1 ;;
  esac
}
