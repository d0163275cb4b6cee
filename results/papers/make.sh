#!/usr/bin/env bash
# The papers' comparisons of accuracy, with the same budget of tuning for all. Needs HPCADMM_DATA; for the study
# taylor-higgs also HIGGS_ROWS, the folder that higgs.py reads. HPCADMM names the program. Counts and accuracies do not
# need a quiet machine, seconds do.
#
#   make.sh tune STUDY [ENTRANT...]   TRIALS (20) trials of each entrant, by the accuracy on held-out samples
#   make.sh race STUDY [ENTRANT...]   SEEDS (5) seeds of those that were tuned, in turns, on the test samples
#   make.sh list STUDY                the entrants
#
# STUDY keeps ENTRANT.toml, the best of an entrant's trials, trials/, and the tables and the figure of the race. A call
# that was stopped continues where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./tuned.sh
program=${HPCADMM:-hpcadmm}
case $program in */*) program=$(cd .. && realpath "$program") ;; esac
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # kernels that are forced are not those of a user

part=$1 study=$2 more=()
case $study in
  taylor-higgs)
    job=../jobs/taylor-2016/higgs.toml held=0.2 targets=(0.64 0.66)
    data=runs/higgs-rows
    [ -d $data ] || "${PYTHON:-python3}" papers/higgs.py "${HIGGS_ROWS:?names the folder that higgs.py reads}" $data
    more=("data.path=$PWD/$data")
    ;;
  *) echo "known studies: taylor-higgs" >&2 && exit 2 ;;
esac

# NAME | settings of the job | what is varied
taylor-higgs() {
  local rate="solver.rate=log:1e-4:1e-1 solver.batch=choice:64,256,1024" steps="evaluate.every=50 stop.iterations=1500"
  local linear="network.hidden=[] solver.name=unwrapped penalty.name=l2" strength="penalty.strength=log:1e-6:1e-1"
  cat << END
taylor | solver.name=taylor | solver.beta=log:0.1:10 solver.gamma=log:1:100 solver.ridge=log:1e-4:1e-1
mpadmm | solver.name=mpadmm solver.batch=2000 stop.iterations=200 | solver.delta=log:0.1:10 solver.batch=choice:1000,2000,4000 solver.decay=log:1e-5:1e-2 solver.average=choice:0.0,0.8
sgd | solver.name=sgd solver.momentum=0.9 $steps | $rate
adam | solver.name=adam $steps | $rate solver.decay=log:1e-6:1e-2
lbfgs | solver.name=lbfgs stop.iterations=400 evaluate.every=5 | solver.decay=log:1e-6:1e-2
cg | solver.name=cg stop.iterations=400 evaluate.every=5 | solver.decay=log:1e-6:1e-2
logistic | $linear loss.name=logistic penalty.strength=1e-3 | $strength
svm | $linear penalty.strength=1e-3 | $strength
END
}

tune() {
  local name settings vary options
  while IFS='|' read -r name settings vary <&3; do
    name=${name// /}
    chosen "$name" "$@" || continue
    mapfile -t options < <(flags --set "name=$name" "${more[@]}" $settings && flags --vary $vary)
    "$program" tune "$job" "${options[@]}" --budget "${TRIALS:-20}" --validation $held --ranks "${RANKS:-1}" \
      --out "tune/papers/$study/$name" | said || [ $? = 1 ]
    mkdir -p "papers/$study/trials"
    cp "tune/papers/$study/$name/table.csv" "papers/$study/trials/$name.csv"
    if [ -f "tune/papers/$study/$name/best.toml" ]; then
      grep -v '^path = ' "tune/papers/$study/$name/best.toml" > "papers/$study/$name.toml"
    fi
  done 3< <("$study")
}

race() {
  local jobs
  mapfile -t jobs < <("$study" | raced "papers/$study" "$@")
  "$program" compare "${jobs[@]}" $(flags --set "${more[@]}") --ranks "${RANKS:-1}" --repeat "${SEEDS:-5}" \
    $(flags --target "${targets[@]}") --out "compare/papers-$study" | said || [ $? = 1 ]
  cp "compare/papers-$study"/{summary.md,summary.csv,table.csv,figure.png} "papers/$study/"
}

list() { "$study"; }

case $part in
  tune | race | list) "$part" "${@:3}" ;;
  *) echo "known parts: tune, race, list" >&2 && exit 2 ;;
esac
