# shellcheck shell=bash
# stasis.bash - completion of `stasis` for bash.

_stasis_jobs() {
  # The caller's jobs; nobody waits long for a slurmctld that is away.
  timeout 2 squeue --me --noheader --format=%A 2>/dev/null
}

_stasis() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
    --config) ((i++)) ;;
    -*) ;;
    *)
      verb=${COMP_WORDS[i]}
      break
      ;;
    esac
  done
  case $before in
  --config)
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    return
    ;;
  --user)
    mapfile -t COMPREPLY < <(compgen -u -- "$word")
    return
    ;;
  --idle | --id) return ;;
  esac
  local words='--help'
  case $verb in
  '') words='list show verify check inspect log restart stats doctor checkpoint evacuate node-down prune keygen --config --version --help' ;;
  list) words='--json --user --all --help' ;;
  show | verify | check | log) words="--json --help $(_stasis_jobs)" ;;
  restart) words="--json --new --help $(_stasis_jobs)" ;;
  inspect)
    mapfile -t COMPREPLY < <(compgen -f -W "--json --help $(_stasis_jobs)" -- "$word")
    return
    ;;
  stats | doctor | evacuate) words='--json --help' ;;
  checkpoint) words="--json --requeue --help $(_stasis_jobs)" ;;
  prune) words='--json --idle --help' ;;
  keygen) words='--id --help' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _stasis stasis
