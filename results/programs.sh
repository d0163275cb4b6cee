# Sourced. Sets run, program and python to the absolute paths of what MPIRUN, HPCADMM and PYTHON name. A relative path
# begins at the project's root.
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")

# absolute NAME [-s]: the path of a program, NAME itself where there is none; -s: of a link, not of what it links to.
absolute() { (cd "$root" && realpath ${2:-} "$(command -v "$1")" 2> /dev/null) || echo "$1"; }

run=$(absolute "${MPIRUN:-mpirun}" -s)
program=$(absolute "${HPCADMM:-hpcadmm}")
python=$(absolute "${PYTHON:-python3}" -s) # a link in an environment is its interpreter
