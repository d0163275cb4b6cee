#!/usr/bin/env bash
# How many sums over the ranks do mpadmm's local steps need? make.sh [PART...] (mnist fashion labels more). Counts sums, one
# an iteration, not seconds, so the machine need not be quiet; bfloat16 halves the time. Needs HPCADMM_DATA. HPCADMM names
# the program; SEEDS (5); RANKS (1): the weights do not depend on it. A call that was stopped continues.
set -euo pipefail
cd "$(dirname "$0")"
program=${HPCADMM:-hpcadmm} job=../../../jobs/network/local.toml
common=(--ranks "${RANKS:-1}" --set evaluate.train=false --set precision=bfloat16 --set save.every=0)

# table NAME SEEDS JOB... OPTION...: compare the jobs; NAME keeps the tables.
table() {
  local name=$1 seeds=$2
  shift 2
  "$program" compare "$@" --repeat "$seeds" "${common[@]}" --out "../../runs/local/$name"
  mkdir -p "$name" && cp "../../runs/local/$name"/{summary.md,summary.csv,table.csv,figure.png} "$name/"
}

mnist() { table mnist "${SEEDS:-5}" $job:stop.iterations=10 --target 0.97 --target 0.98; }

fashion() {
  table fashion "${SEEDS:-5}" $job:stop.iterations=9 --set data.name=fashion-mnist --target 0.87 --target 0.88
}

# Each worker has one or two of the ten labels.
labels() {
  table labels 1 $job:name=labels-8 $job:name=labels-4:solver.local_steps=4 --set stop.iterations=16 \
    --set data.order=labels --target 0.97
}

# Other rounds.
more() {
  table more 1 $job:name=local-4:solver.local_steps=4:stop.iterations=15 \
    $job:name=workers-4:solver.workers=4:stop.iterations=12 $job:name=workers-2:solver.workers=2:stop.iterations=14 \
    $job:name=local-4-4000:solver.local_steps=4:solver.local_batch=4000:stop.iterations=8 --target 0.97 --target 0.98
}

for part in ${*:-mnist fashion labels more}; do "$part"; done
