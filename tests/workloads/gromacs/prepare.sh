# Argon in a box, the input of both GROMACS workloads: prepare STEPS
# shellcheck shell=bash
prepare() {
  cat >a.gro <<'TXT'
argon
    1
    1AR      AR    1   0.000   0.000   0.000
   1.00000   1.00000   1.00000
TXT
  gmx -quiet genconf -f a.gro -nbox 8 8 8 -dist 0.36 0.36 0.36 -o box.gro >prepare.log 2>&1 || return
  cat >topol.top <<'TXT'
[ defaults ]
1 2 no 1.0 1.0
[ atomtypes ]
AR 18 39.948 0.0 A 0.34 0.996
[ moleculetype ]
AR 1
[ atoms ]
1 AR 1 AR AR 1 0.0
[ system ]
argon
[ molecules ]
AR 512
TXT
  printf '%s\n' 'integrator = md' "nsteps = $1" 'dt = 0.002' 'cutoff-scheme = Verlet' 'rvdw = 0.9' 'rcoulomb = 0.9' 'rlist = 0.9' \
    'nstlog = 5000' 'nstenergy = 5000' 'nstxout = 20000' 'tcoupl = no' 'gen-vel = yes' 'gen-temp = 90' 'gen-seed = 1' 'ld-seed = 1' >md.mdp
  gmx -quiet grompp -f md.mdp -c box.gro -p topol.top -o md.tpr -maxwarn 5 >>prepare.log 2>&1
}
