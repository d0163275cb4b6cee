#!/usr/bin/env bash
# Makes what results/README.md shows: runs, hashes and bench figures, each with its job, commit and machine.
# MPIRUN and HPCADMM name the programs, HPCADMM_DATA the folder of the data. Parts: runs hashes floor scaling speedup.
set -euo pipefail
cd "$(dirname "$0")"
run=${MPIRUN:-mpirun} program=${HPCADMM:-hpcadmm}
case $run in */*) run=$(cd .. && realpath "$run") ;; esac
case $program in */*) program=$(cd .. && realpath "$program") ;; esac
deep=../jobs/mnist-taylor-deep.toml

runs() {
  for job in mnist-taylor fashion-taylor; do
    rm -rf "runs/$job" && mkdir -p "$job"
    "$run" -n 2 "$program" train "../jobs/$job.toml" --out "runs/$job" --quiet
    cp "runs/$job"/{job.toml,metrics.jsonl,summary.json,environment.json} "$job/"
    "$program" plot "runs/$job" -o "$job/figure.png"
  done
}

hashes() {
  mkdir -p taylor-hashes
  echo "precision,data,ranks,weights_sha256" > taylor-hashes/table.csv
  for precision in float32 float64; do
    for data in digits mnist; do
      for n in 1 2 3 4 8; do
        rm -rf runs/hash
        job=../jobs/digits-taylor.toml first=()
        [ "$data" = mnist ] && job=$deep first=(--set data.first=9999)
        "$run" -n "$n" "$program" train "$job" "${first[@]}" --set precision=$precision --set stop.iterations=20 \
          --set solver.warm=5 --set evaluate.every=0 --out runs/hash --quiet
        sha=$(python3 -c 'import json; print(json.load(open("runs/hash/summary.json"))["weights_sha256"])')
        echo "$precision,$data,$n,$sha" >> taylor-hashes/table.csv
      done
    done
  done
  cp runs/hash/environment.json taylor-hashes/
}

floor() {
  mkdir -p taylor-floor
  for n in 1 2; do
    for loss in hinge cross-entropy; do
      "$run" -n $n "$program" bench $deep --set loss.name=$loss --only floor --only iteration --iterations 15 \
        --json > taylor-floor/$loss-$n.json 2>/dev/null
    done
    for precision in float32 float64; do
      "$run" -n $n "$program" bench $deep --set precision=$precision --against solver.sums=plain --only iteration \
        --iterations 15 --json > taylor-floor/exact-against-plain-$precision-$n.json 2>/dev/null
    done
  done
}

scaling() {
  mkdir -p taylor-floor
  "$program" bench $deep --scaling --ranks 1,2 --repeats 5 --json > taylor-floor/ranks-1-2.json 2>/dev/null
}

# 10 minutes; finished runs are kept, so a second call goes on where the first was stopped.
speedup() {
  "$(dirname "$(command -v "$program")")/python" speedup.py --launcher "$(printf %q "$run")"
}

for part in ${*:-runs hashes floor scaling speedup}; do "$part"; done
