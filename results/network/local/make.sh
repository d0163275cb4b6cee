#!/usr/bin/env bash
# How many sums over the ranks do mpadmm's local steps need? Five seeds; SEEDS=N: fewer. Counts sums, not seconds, so the
# machine need not be quiet. Needs HPCADMM_DATA. HPCADMM names the program, RANKS the ranks of a run (default 2), on which
# the weights do not depend. A call that was stopped continues.
set -euo pipefail
cd "$(dirname "$0")"
program=${HPCADMM:-hpcadmm} job=../../../jobs/network/local.toml
common=(--repeat "${SEEDS:-5}" --ranks "${RANKS:-2}" --set evaluate.train=false --set save.state=weights)

# table NAME JOB... OPTION...: compare the jobs; NAME keeps the tables.
table() {
  local name=$1
  shift
  "$program" compare "$@" "${common[@]}" --out "../../runs/local/$name"
  mkdir -p "$name" && cp "../../runs/local/$name"/{summary.md,summary.csv,table.csv,figure.png} "$name/"
}

rounds=$job:name=local-8:stop.iterations=12 shorter=$job:name=local-4:solver.local_steps=4:stop.iterations=16
long=$job:name=local-4-4000:solver.local_steps=4:solver.local_batch=4000:stop.iterations=12
sweeps=$job:name=sweeps:solver.local_steps=0:stop.iterations=32
table mnist "$rounds" "$shorter" "$long" "$sweeps" --target 0.97 --target 0.98
table fashion "$rounds" "$sweeps" --set data.name=fashion-mnist --target 0.87 --target 0.88
table labels $job:name=local-8 $job:name=local-4:solver.local_steps=4 --set stop.iterations=20 --set data.order=labels \
  --target 0.97
