# Sourced: run, program and python, what MPIRUN, HPCADMM and PYTHON name. Paths are from the project's root; all three are
# made absolute, for hosts and folders of other names.
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")

# absolute NAME [-s]: the path of a program, NAME itself where there is none; -s: of a link, not of what it links to.
absolute() { (cd "$root" && realpath ${2:-} "$(command -v "$1")" 2> /dev/null) || echo "$1"; }

run=$(absolute "${MPIRUN:-mpirun}" -s)
program=$(absolute "${HPCADMM:-hpcadmm}")
python=$(absolute "${PYTHON:-python3}" -s) # a link in an environment is its interpreter
