#!/usr/bin/env bash
# Who is quicker to 97 and 98 % on MNIST between two hosts of one core each, at several speeds of their network? The
# hosts are made on this machine (tests/network/hosts.sh: root, iproute2). Needs two quiet cores, HPCADMM_DATA, MPICH
# beside hpcadmm, and for PyTorch's entrants TORCH_PYTHON, an interpreter with results/race/requirements.txt.
#
#   make.sh tune [ENTRANT...]   TRIALS (4) trials of each entrant on held-out images, by bytes to 97 %
#   make.sh race [ENTRANT...]   SEEDS (5) seeds of all entrants (or these) that are tuned, at each of RATES ("100mbit
#                               1gbit"; none: no limit) in turns, on the test images
#   make.sh report              summary.md and figure.png of the races so far
#   make.sh all [ENTRANT...]    tune who is not tuned yet, race, report
#   make.sh list                the entrants
#
# ENTRANT.toml is the best of an entrant's trials. A call that was stopped continues; SEEDS may grow. Who cannot run is
# skipped, with the reason. HPCADMM names the program.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./tuned.sh
. ./programs.sh
hosts=$(realpath ../tests/network/hosts.sh) job=../jobs/network/mnist.toml
beside=$(dirname "$program")
export MPIEXEC=${MPIEXEC:-$beside/mpiexec} HOST_CORES=1 GLOO_SOCKET_IFNAME=eth0
export TORCH_RIVAL="$hosts mpirun -n 2 ${TORCH_PYTHON:-python} $PWD/race/torch_rival.py --ddp"
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # kernels that are forced are not those of a user

part=${1:-all}
slow="adam-512 adam-1024" # left out below 1 Gbit/s: they need more sums to 97 % than larger batches, see their trials
ranks=(--ranks 2 --launcher "$hosts mpirun")

# NAME | settings of the job | what is varied
entrants() {
  local ours="solver.name=mpadmm solver.warm=3 solver.refresh=2 solver.delta=0.5 evaluate.every=1" batch
  local steps="solver.delta=log:0.1:10 solver.refresh=int:1:5" rate="log:1e-3:1e-2" o=solver.options
  local seldom=evaluate.every=3 # while it measures, which is not timed, the late sum travels
  local torch='solver.name=program solver.command=$TORCH_RIVAL solver.method=adam'
  cat << END
mpadmm | $ours | $steps
mpadmm-late | $ours solver.late=1 $seldom | $steps
mpadmm-bf16-sums | $ours solver.sums=bfloat16 | $steps
mpadmm-8bit-sums | $ours solver.sums=8 | $steps
mpadmm-local | $ours solver.local_steps=8 solver.workers=2 | $steps
END
  for batch in 512 1024 2048 4096; do
    echo "adam-$batch | solver.name=adam solver.rate=3e-3 solver.batch=$batch | solver.rate=$rate"
  done
  echo "torch-ddp-2048 | $torch $o.rate=3e-3 $o.batch=2048 | $o.rate=$rate"
}

# runs NAME SETTING...: can it? Else say why.
runs() {
  local said
  if [[ $1 == torch-* ]]; then
    said=""
    "${TORCH_PYTHON:-python}" -c "import torch.distributed" > /dev/null 2>&1 || said="TORCH_PYTHON has no torch"
  else
    said=$("$program" train "$job" $(flags --set "${@:2}") --print-job 2>&1 > /dev/null) || said=${said:-refused}
  fi
  [ -z "$said" ] || { echo "$1 is skipped: $(tail -n 1 <<< "$said")" && return 1; }
}

tune() {
  local name settings vary options
  while IFS='|' read -r name settings vary <&3; do
    name=${name// /}
    chosen "$name" "$@" && runs "$name" $settings || continue
    mapfile -t options < <(flags --set "name=$name" stop.minutes=1 $settings && flags --vary $vary)
    tuned network "$name" "$job" "${options[@]}" --budget "${TRIALS:-4}" --metric bytes-to-target --target 0.97 \
      --validation 0.1666667 "${ranks[@]}"
  done 3< <(entrants)
}

# begun RATE: how many seeds a race has that was stopped or shall grow; 0: none.
begun() {
  local last
  last=$(find "compare/network-$1/runs" -mindepth 1 -maxdepth 1 2> /dev/null | sed 's/.*-//' | sort -n | tail -n 1) || true
  echo $((${last:--1} + 1))
}

race() {
  local names=() jobs name settings rate seed minutes
  while IFS='|' read -r name settings _ <&3; do
    name=${name// /}
    chosen "$name" "$@" && [ -f "network/$name.toml" ] && runs "$name" $settings || continue
    names+=("$name")
  done 3< <(entrants)
  for seed in $(seq "${SEEDS:-5}"); do
    for rate in ${RATES:-100mbit 1gbit}; do
      case $rate in *gbit) minutes=0.2 ;; none) minutes=0.1 ;; *) minutes=0.45 ;; esac
      jobs=()
      [ "$seed" -ge "$(begun "$rate")" ] || continue
      for name in "${names[@]}"; do
        [[ $rate == *mbit && " $slow " == *" $name "* ]] || jobs+=("network/$name.toml")
      done
      "$hosts" rate "$rate"
      echo "seed $seed, $rate"
      "$program" compare "${jobs[@]}" --set stop.accuracy=0.98 --set "stop.minutes=$minutes" --repeat "$seed" \
        --target 0.97 --target 0.98 "${ranks[@]}" --out "compare/network-$rate" | said || [ $? = 1 ]
    done
  done
  "$hosts" rate none
}

report() { "$beside/python" network/report.py network compare/network-*; }

all() {
  local name untuned=()
  for name in $(entrants | cut -d ' ' -f 1); do
    if chosen "$name" "$@" && [ ! -f "network/$name.toml" ]; then untuned+=("$name"); fi
  done
  [ ${#untuned[@]} = 0 ] || tune "${untuned[@]}"
  race "$@"
  report
}

case $part in
  list) entrants ;;
  report) report ;;
  tune | race | all)
    if [ -z "${HPCADMM_HOSTS:-}" ]; then
      why=$("$hosts" why)
      [ -z "$why" ] || { echo "no hosts: $why" >&2 && exit 1; }
      exec "$hosts" 2 "$PWD/network/make.sh" "$@"
    fi
    "$part" "${@:2}"
    ;;
  *) echo "known parts: tune, race, report, all, list" >&2 && exit 2 ;;
esac
