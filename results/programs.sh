# Sourced: run, program and python, what MPIRUN, HPCADMM and PYTHON name, paths from the project's root made absolute.
run=${MPIRUN:-mpirun} program=${HPCADMM:-hpcadmm} python=${PYTHON:-python3}
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
case $run in */*) run=$(cd "$root" && realpath "$run") ;; esac
case $program in */*) program=$(cd "$root" && realpath "$program") ;; esac
case $python in */*) python=$(cd "$root" && realpath -s "$python") ;; esac # a link in an environment is its interpreter
