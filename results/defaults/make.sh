#!/usr/bin/env bash
# How good is a job that nobody tuned? `hpcadmm train --data` beside the best of ten tuned trials, on a test part that
# neither reads. make.sh [DATA...] (adult covtype wine digits california); needs HPCADMM_DATA. SEEDS (3) runs of each,
# TRIALS (10) of each of SOLVERS ("mpadmm adam"). Accuracies count here, not seconds, so the machine need not be quiet.
# HPCADMM and PYTHON name the programs. A call that was stopped continues.
set -euo pipefail
cd "$(dirname "$0")/.."
source tuned.sh # words of a command
. ./programs.sh
export OMP_NUM_THREADS=1
wild=$HPCADMM_DATA/wild runs=runs/defaults
width='network.hidden=choice:[50],[100],[100,100],[200,200],[300,300]'

# arguments DATA: how a user names them.
arguments() {
  case $1 in
    adult) echo "--data $wild/adult/adult.data --target 14 --set data.test=$wild/adult/adult.test" ;;
    covtype) echo "--data $wild/covtype/covtype_sample.csv --target Cover_Type" ;;
    wine) echo "--data $wild/wine/winequality-white.csv --target quality" ;;
    *) echo "--data $1" ;;
  esac
}

# kept FILE NAME: a copy in this folder, whose paths begin in $HPCADMM_DATA.
kept() { mkdir -p "$(dirname "defaults/$2")" && sed "s|$HPCADMM_DATA/||g" "$1" > "defaults/$2"; }

# scored NAME TRAIN-ARGUMENT...: SEEDS runs; their scores on the test part, a line each, in scores/NAME.
scored() {
  local name=$1 seed folder
  : > "$runs/scores/$name"
  for ((seed = 0; seed < ${SEEDS:-3}; seed++)); do
    folder=$runs/$name-$seed
    [ -e "$folder/summary.json" ] || { rm -rf "$folder" && "$program" train "${@:2}" --set seed=$seed --quiet --out "$folder"; } > /dev/null
    "$program" evaluate "$folder" --data validation= --json |
      "$python" -c 'import json, sys; found = json.load(sys.stdin); print(found.get("accuracy", found.get("r2")))' \
        >> "$runs/scores/$name"
  done
}

# tuned DATA SOLVER RANGE...: the best of TRIALS trials, of which the first is the default, by the samples held out.
tuned() {
  local data=$1 solver=$2 metric=test_accuracy out=tune/defaults/$1-$2 vary
  mapfile -t vary < <(flags --vary "${@:3}")
  "$program" job new $(arguments "$data") --solver "$solver" --force -o "$runs/$data-$solver.toml" > /dev/null
  ! grep -q test_error "$runs/$data-$solver.toml" || metric=test_error
  "$program" tune "$runs/$data-$solver.toml" --budget "${TRIALS:-10}" --metric $metric "${vary[@]}" --out "$out" > "$runs/$data-$solver.log"
  kept "$out/best.toml" "$data/$solver.toml"
  kept "$out/table.csv" "$data/$solver.csv"
  scored "$data-$solver" "$out/best.toml"
}

# entrant DATA SOLVER: its best job.
entrant() {
  case $2 in
    mpadmm) tuned "$1" mpadmm solver.delta=log:0.1:10 solver.kappa=log:0.3:10 solver.refresh=choice:2,5,10 "$width" ;;
    adam) tuned "$1" adam solver.rate=log:3e-4:1e-2 "$width" ;;
  esac
}

mkdir -p "$runs/scores"
for data in ${*:-adult covtype wine digits california}; do
  scored "$data-default" $(arguments "$data")
  kept "$runs/$data-default-0/draft.toml" "$data/default.toml"
  for solver in ${SOLVERS:-mpadmm adam}; do entrant "$data" "$solver"; done
done
"$python" defaults/table.py "$runs/scores" # the table of README.md
