#!/usr/bin/env bash
# GADMM beside gradient methods on graphs: see README.md. HPCADMM names the program, PYTHON its interpreter, which needs
# matplotlib; HPCADMM_DATA the folder of the data. Counts of rounds and bits need no quiet machine.
#
#   make.sh graphs    rounds and bits of convex problems on a chain, a ring, a star and a random graph
#   make.sh chains    rounds and modelled energy on random chains of 50 workers
#   make.sh tune      the rates of the network's rivals, by RATES on held-out images
#   make.sh network   the network of Q-GADMM's paper: accuracy by rounds and bits, SEEDS seeds
set -euo pipefail
cd "$(dirname "$0")"
. ../programs.sh
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # kernels that are forced are not those of a user
jobs=../../jobs/decentralized runs=../runs/decentralized-network

# NAME | settings of jobs/decentralized/network.toml
entrants() {
  cat << END
qgadmm |
gadmm | solver.name=gadmm
sgd | stop.iterations=600 solver.name=sgd solver.workers=10 solver.batch=1000 solver.rate=0.8
qsgd | stop.iterations=600 solver.name=qgd solver.workers=10 solver.batch=100 solver.bits=8 solver.rate=0.8
dpsgd | stop.iterations=600 solver.name=dpsgd solver.workers=10 solver.batch=100 solver.rate=0.8
END
}

# train FOLDER [KEY=VALUE...]: one rank, unless the run is there.
train() {
  [ -f "$1/summary.json" ] && return
  local set=()
  for one in "${@:2}"; do set+=(--set "$one"); done
  "$program" train $jobs/network.toml "${set[@]}" --out "$1" --quiet
}

case ${1:-} in
  graphs)
    "$python" graphs.py graphs $jobs/linear.toml $jobs/logistic.toml
    "$python" graphs_report.py graphs ;;
  chains) "$python" chains.py chains $jobs/linear.toml ;;
  tune)
    while IFS='|' read -r name settings; do
      [[ $settings == *rate=* ]] || continue
      for rate in ${RATES:-0.1 0.2 0.4 0.8 1.6}; do
        train "$runs-tune/${name// /}-$rate" $settings solver.rate="$rate" \
          data.validation=0.1666667 stop.iterations=200 || echo "$name at $rate: no run"
      done
    done < <(entrants)
    "$python" network.py network/rates.csv "$runs-tune"/* ;;
  network)
    while IFS='|' read -r name settings; do
      for seed in $(seq "${SEEDS:-5}"); do
        train "$runs/${name// /}-$seed" $settings seed="$seed" data.split_seed="$seed"
      done
    done < <(entrants)
    "$python" network.py network "$runs"/* ;;
  *) sed -n '2,9s/^# \?//p' "$(basename "$0")" && exit 2 ;;
esac
