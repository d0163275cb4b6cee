#!/usr/bin/env bash
# The race between hpcadmm's solvers and PyTorch on the networks of jobs/speed, on two cores: two ranks of one thread
# against one process of two threads. Needs a quiet machine, HPCADMM_DATA, and TORCH_PYTHON, an interpreter with
# requirements.txt. MPIRUN and HPCADMM name the programs.
#
#   make.sh tune NETWORK [ENTRANT...]   TRIALS trials of each entrant on held-out samples, by seconds to a target
#   make.sh race NETWORK [ENTRANT...]   SEEDS seeds of all entrants that were tuned, in turns, on the test samples, until
#                                       LAST, an accuracy, by default the last target, or for at most MOST minutes each
#   make.sh list NETWORK                the entrants
#
# NETWORK: mnist (784-300-300-10), wide (784-1000x4-10), higgs (28-300x3-1). A call that was stopped continues where it
# was; a race may begin with SEEDS=1 and grow. speed/NETWORK keeps ENTRANT.toml, the best of its trials, trials/, and
# tables and figure of the race.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./tuned.sh
. ./programs.sh
export TORCH_RIVAL="${TORCH_PYTHON:-} $PWD/race/torch_rival.py" GLOO_SOCKET_IFNAME=${GLOO_SOCKET_IFNAME:-lo}
export TORCH_DDP="$run -n 2 $TORCH_RIVAL --ddp"
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # kernels that are forced are not those of a user

part=$1 network=$2
job=../jobs/speed/$network.toml held=0.1666667 first=512 sweep="solver.delta=0.5 solver.batch=4000 evaluate.every=1"
case $network in
  mnist) targets=(0.96 0.97 0.98) trials=10 minutes=0.12 most=0.25 batches=256,512,1024,2048 sweeps=2000,4000,8000 epochs=2,3,4,6 ;;
  wide) targets=(0.97 0.98 0.983) trials=6 minutes=0.4 most=0.6 batches=256,512,1024,2048 sweeps=2000,4000,8000 epochs=2,3,4,6 ;;
  higgs) targets=(0.85 0.87 0.88) trials=6 minutes=0.3 most=0.5 batches=1000,2000,4000,8000 sweeps=4000,8000,16000 epochs=1,2
    held=0.025 first=2000 sweep="solver.delta=1.0 solver.average=0.8 solver.batch=8000 evaluate.every=2" ;;
  *) echo "known networks: mnist, wide, higgs" >&2 && exit 2 ;;
esac

# NAME | settings of the unchanged job | what is varied | the target it is tuned for: the middle one, or for schedules,
# which are late by design, the last one.
entrants() {
  local torch='solver.name=program solver.command=$TORCH_RIVAL' ddp='solver.name=program solver.command=$TORCH_DDP'
  local o=solver.options half=precision=bfloat16
  local either=precision=choice:float32,bfloat16 batch="choice:$batches" middle=${targets[1]} last=${targets[2]}
  local ours="solver.name=mpadmm solver.warm=3 solver.refresh=2 $sweep"
  local steps="solver.delta=log:0.1:10 solver.refresh=int:1:5 solver.average=choice:0.0,0.5,0.8 solver.batch=choice:$sweeps"
  local rate="$o.rate=log:5e-4:1e-2 $o.batch=$batch"
  local cycle="$o.schedule=onecycle $o.batch=$first $o.epochs=${epochs%%,*}"
  cat << END
mpadmm | $ours | $steps | $middle
torch-adam | $torch solver.method=adam $o.rate=2e-3 $o.batch=$first | $rate | $middle
mpadmm-bf16 | $ours $half | $steps | $middle
torch-adam-bf16 | $torch solver.method=adam $o.rate=2e-3 $o.batch=$((2 * first)) $half | $rate | $middle
adam | solver.name=adam solver.rate=3e-3 solver.batch=$first | solver.rate=log:5e-4:1e-2 solver.batch=$batch $either | $middle
torch-adamw-onecycle | $torch solver.method=adamw $o.rate=4e-3 $o.decay=0.01 $cycle | $o.rate=log:1e-3:2e-2 $o.batch=$batch $o.epochs=choice:$epochs $either | $last
muon | solver.name=muon solver.rate=3e-3 solver.batch=$first | solver.rate=log:5e-4:1e-2 solver.batch=$batch $either | $middle
torch-muon | $torch solver.method=muon $o.rate=3e-3 $o.batch=$first | $rate $either | $middle
soap | solver.name=soap solver.rate=3e-3 solver.batch=$first | solver.rate=log:1e-3:2e-2 solver.batch=$batch $either | $middle
torch-ddp | $ddp solver.method=adam $o.rate=2e-3 $o.batch=$first | $rate | $middle
torch-ddp-bf16 | $ddp solver.method=adam $o.rate=2e-3 $o.batch=$((2 * first)) $half | $rate | $middle
torch-kfac | $torch solver.method=kfac $o.rate=0.1 $o.batch=$first $o.refresh=20 | $o.rate=log:0.01:1 $o.damping=log:1e-3:1e-1 $o.refresh=choice:5,20,100 $o.batch=$batch | $middle
torch-sgd-onecycle | $torch solver.method=sgd $o.rate=0.2 $cycle | $o.rate=log:0.05:0.8 $o.batch=$batch $o.epochs=choice:$epochs $either | $last
END
}

tune() {
  local name settings vary target options
  while IFS='|' read -r name settings vary target <&3; do
    name=${name// /} target=${target// /}
    chosen "$name" "$@" || continue
    mapfile -t options < <(flags --set "name=$name" "stop.minutes=$minutes" $settings && flags --vary $vary)
    tuned "speed/$network" "$name" "$job" "${options[@]}" --budget "${TRIALS:-$trials}" --metric seconds-to-target \
      --target "$target" --validation $held --ranks 2 --launcher "$run"
  done 3< <(entrants)
}

race() {
  local jobs
  mapfile -t jobs < <(entrants | raced "speed/$network" "$@")
  "$program" compare "${jobs[@]}" --set "stop.accuracy=${LAST:-${targets[2]}}" --set "stop.minutes=${MOST:-$most}" --ranks 2 \
    --repeat "${SEEDS:-5}" $(flags --target "${targets[@]}") --launcher "$run" --out "compare/speed-$network" || [ $? = 1 ]
  cp "compare/speed-$network"/{summary.md,summary.csv,table.csv,figure.png} "speed/$network/"
}

list() { entrants; }

case $part in
  tune | race | list) "$part" "${@:3}" ;;
  *) echo "known parts: tune, race, list" >&2 && exit 2 ;;
esac
