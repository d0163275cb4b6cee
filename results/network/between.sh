# Sourced by a script of this folder: runs it between two hosts, in results/; sets hosts, the script that makes them, and
# the programs.
cd "$(dirname "$0")/.."
. ./programs.sh
hosts=$(realpath ../tests/network/hosts.sh)
export MPIEXEC=${MPIEXEC:-$(dirname "$program")/mpiexec} HOST_CORES=1
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
if [ -z "${HPCADMM_HOSTS:-}" ]; then
  why=$("$hosts" why)
  [ -z "$why" ] || { echo "no hosts: $why" >&2 && exit 1; }
  exec "$hosts" 2 "$PWD/network/$(basename "$0")"
fi
