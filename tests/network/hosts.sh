#!/usr/bin/env bash
# Hosts on one machine that are joined by a network of a chosen rate. Each host has a network and a name of its own
# (Linux namespaces); all see the same files and cores. Needs root, iproute2 and util-linux.
#
#   hosts.sh why              why there can be no hosts here; nothing if there can
#   hosts.sh N COMMAND...     run COMMAND beside the hosts node1 ... nodeN; when it or this script ends, all ends
#
# and within COMMAND:
#
#   hosts.sh mpirun -n RANKS PROGRAM...   MPICH's launcher ($MPIEXEC) over all hosts, or those of $HPCADMM_HOSTS ("node1
#                                         node2"), with $HOST_SLOTS neighbouring ranks on each (1)
#   hosts.sh on node2 COMMAND...          run on one host; $HOST_CORES: that many cores of its own
#   hosts.sh rate 100mbit                 what each host may send; none: no limit
#   hosts.sh link node2 down              take its network down, or up
set -euo pipefail
self=$(realpath "$0")
network=10.0.0 # only seen here, so that any number of these run at once
apart=(unshare --net --uts --pid --mount --fork --kill-child --mount-proc)

why() {
  local program said
  [ "$(id -u)" = 0 ] || { echo "only root can make hosts" && return; }
  for program in unshare nsenter ip tc taskset hostname; do
    command -v "$program" > /dev/null || { echo "$program is missing (packages iproute2 and util-linux)" && return; }
  done
  said=$("${apart[@]}" "$self" inside 1 true 2>&1) || echo "this machine refuses: ${said//$'\n'/ }"
}

# The first process of the new namespaces: all others end with it.
inside() {
  local count=$1 i
  shift
  hostname front
  mkdir -p /run/netns
  mount -t tmpfs hosts /run/netns
  ip link set lo up
  ip link add hosts type bridge
  ip address add "$network.254/24" dev hosts
  ip link set hosts up
  for i in $(seq "$count"); do
    ip netns add "node$i"
    ip link add "node$i" type veth peer name eth0 netns "node$i"
    ip link set "node$i" master hosts up
    ip -n "node$i" address add "$network.$i/24" dev eth0
    ip -n "node$i" link set eth0 up
    ip -n "node$i" link set lo up
  done
  HPCADMM_HOSTS=$(seq -s ' ' -f 'node%g' "$count") "$@" <&0 &
  trap 'kill -TERM $!' TERM INT
  until wait $!; do
    local code=$?
    kill -0 $! 2> /dev/null || return "$code" # else a signal ended the wait, not the command
  done
}

on() {
  local host=$1 bound=()
  shift
  if [ -n "${HOST_CORES:-}" ]; then bound=(taskset -c "$(own_cores "${host#node}")"); fi
  exec nsenter --net="/run/netns/$host" unshare --uts "${bound[@]}" \
    sh -c 'hostname "$0" && exec "$@"' "$host" "$@"
}

# The cores of host K: HOST_CORES of those of this process, by turns.
own_cores() {
  local all
  mapfile -t all < <(taskset -cp $$ | sed 's/.*: //; s/,/\n/g' | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done)
  local k
  for k in $(seq 0 $((HOST_CORES - 1))); do
    echo "${all[((($1 - 1) * HOST_CORES + k) % ${#all[@]})]}"
  done | paste -sd,
}

mpirun() {
  local host addresses=()
  for host in $HPCADMM_HOSTS; do addresses+=("$network.${host#node}:${HOST_SLOTS:-1}"); done
  export UCX_TLS=tcp,self UCX_NET_DEVICES=eth0 # or MPICH talks through memory
  exec "${MPIEXEC:-mpiexec}" -launcher ssh -launcher-exec "$self" -iface hosts \
    -hosts "$(IFS=, && echo "${addresses[*]}")" "$@"
}

# As ssh: [options] ADDRESS COMMAND...
as_ssh() {
  while [[ $1 == -* ]]; do shift; done
  local host=node${1##*.}
  shift
  on "$host" bash -c "$*"
}

rate() {
  local host burst=256kb
  if [[ $1 == *mbit ]]; then burst=32kb; fi
  for host in /run/netns/*; do
    host=${host##*/}
    tc -n "$host" qdisc del dev eth0 root 2> /dev/null || true
    [ "$1" = none ] || tc -n "$host" qdisc add dev eth0 root tbf rate "$1" burst "$burst" latency 400ms
  done
}

link() { ip link set "$1" "$2"; } # the bridge's end

case ${1:-} in
  why | inside | on | mpirun | rate | link) "$@" ;;
  [1-9] | [1-9][0-9]) exec "${apart[@]}" "$self" inside "$@" ;;
  -* | "$network".*) as_ssh "$@" ;;
  *) sed -n '2,/^set/{/^#/s/^# \?//p}' "$self" >&2 && exit 2 ;;
esac
