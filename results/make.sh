#!/usr/bin/env bash
# Makes what results/README.md shows: runs, hashes and bench figures, each with its job, commit and machine.
# MPIRUN and HPCADMM name the programs, HPCADMM_DATA the folder of the data. Parts: runs hashes floor exact scaling
# layers grids wires convergence accuracy speedup decentralized speed mpadmm first scale model rivals; and torch, which is not made unless asked for.
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
  done
}

# What exact sums cost: seconds of an iteration over those with plain sums, interleaved.
exact() {
  mkdir -p exact
  for n in 1 2; do
    for job in mnist-taylor-deep mnist-mpadmm; do
      "$run" -n $n "$program" bench ../jobs/$job.toml --against solver.sums=plain --only iteration --iterations 25 \
        --json > exact/$job-$n.json 2>/dev/null
    done
  done
}

scaling() {
  mkdir -p taylor-floor
  "$program" bench $deep --scaling --ranks 1,2 --repeats 5 --json > taylor-floor/ranks-1-2.json 2>/dev/null
}

# pdADMM: the floor under its iteration, two ranks against one, and the same weights on every grid.
layers() {
  mkdir -p pdadmm-layers
  for n in 1 2; do
    "$run" -n $n "$program" bench ../jobs/layers-pdadmm.toml --only floor --only iteration --iterations 7 \
      --json > pdadmm-layers/floor-$n.json 2>/dev/null
  done
  "$program" bench ../jobs/layers-pdadmm.toml --scaling --ranks 1,2 --repeats 5 --iterations 4 \
    --json > pdadmm-layers/ranks-1-2.json 2>/dev/null
}

grids() {
  mkdir -p pdadmm-grids
  echo "precision,update,wire,ranks,grid,weights_sha256" > pdadmm-grids/table.csv
  local deep=../jobs/digits-pdadmm-deep.toml hidden='network.hidden=[40,40,40,40,40,40,40,40,40]'
  for choice in "float32 quadratic float32" "float64 quadratic float64" "float32 exact float32" "float64 exact 8"; do
    read -r precision update wire <<< "$choice"
    for grid in "1 1" "2 1" "3 1" "5 1" "10 1" "1 2" "1 3" "2 2" "5 2" "3 3"; do
      read -r blocks samples <<< "$grid"
      rm -rf runs/hash
      "$run" -n $((blocks * samples)) "$program" train $deep --set "$hidden" --set precision=$precision \
        --set solver.update=$update --set solver.wire="$wire" --set "solver.grid=[$blocks,$samples]" \
        --set stop.iterations=20 --set evaluate.every=0 --out runs/hash --quiet
      sha=$(python3 -c 'import json; print(json.load(open("runs/hash/summary.json"))["weights_sha256"])')
      echo "$precision,$update,$wire,$((blocks * samples)),$blocks x $samples,$sha" >> pdadmm-grids/table.csv
    done
  done
  cp runs/hash/environment.json pdadmm-grids/
}

# The jobs of a folder of jobs/, each run on two ranks, and one figure of those of each data set.
collection() {
  mkdir -p "$1"
  for job in ../jobs/"$1"/*.toml; do
    name=$(basename "$job" .toml)
    rm -rf "runs/$1/$name"
    "$run" -n 2 "$program" train "$job" --out "runs/$1/$name" --quiet
    for part in metrics.jsonl summary.json environment.json; do cp "runs/$1/$name/$part" "$1/$name-$part"; done
  done
  for data in $(basename -a ../jobs/"$1"/*.toml | sed 's/-.*//' | sort -u); do
    "$program" plot runs/"$1"/"$data"-* -o "$1/$data.png"
  done
}

convergence() { collection convergence; }
accuracy() { collection accuracy; }

# GADMM's family and its rivals on California housing, to an error of 1e-5; then a network on MNIST.
decentralized() {
  mkdir -p decentralized
  echo "job,iterations,rounds,payload_bits,objective_error,test_accuracy,seconds" > decentralized/table.csv
  for job in ../jobs/decentralized/*.toml ../jobs/mnist-gadmm.toml ../jobs/mnist-qgadmm.toml; do
    name=$(basename "$job" .toml)
    rm -rf "runs/decentralized/$name"
    "$run" -n 2 "$program" train "$job" --out "runs/decentralized/$name" --quiet
    for part in metrics.jsonl summary.json environment.json; do
      cp "runs/decentralized/$name/$part" "decentralized/$name-$part"
    done
    python3 -c 'import json; r = json.load(open("runs/decentralized/'"$name"'/summary.json"))
keys = ("iterations", "rounds", "payload_bits", "objective_error", "test_accuracy", "seconds")
print("'"$name"'", *(r.get(key, "") for key in keys), sep=",")' >> decentralized/table.csv
  done
  for kind in seed best iid; do
    "$program" plot runs/decentralized/$kind-{gadmm,qgadmm,consensus,gd,qgd} -o decentralized/$kind.png \
      --x iterations --x rounds --x payload --y "objective error"
  done
  "$program" plot runs/decentralized/mnist-{gadmm,qgadmm,adam-1000,adam-4000} -o decentralized/mnist.png \
    --x iterations --x payload --y accuracy
}

# A byte an entry against four: bytes on the wire and accuracy on the same two ranks.
wires() {
  mkdir -p pdadmm-wires
  echo "job,wire,test_accuracy,bytes,payload_bytes" > pdadmm-wires/table.csv
  for job in digits-pdadmm digits-pdadmm-deep accuracy/mnist-pdadmm; do
    for wire in float32 float16 16 8; do
      rm -rf runs/wire
      "$run" -n 2 "$program" train ../jobs/$job.toml --set precision=float32 --set solver.wire=$wire \
        --set evaluate.every=0 --out runs/wire --quiet
      python3 -c 'import json; r = json.load(open("runs/wire/summary.json"))
print("'"$job,$wire"'", r["test_accuracy"], r["bytes"], r["payload_bytes"], sep=",")' >> pdadmm-wires/table.csv
    done
  done
  cp runs/wire/environment.json pdadmm-wires/
}

# 10 minutes; finished runs are kept, so a second call goes on where the first was stopped.
speedup() {
  "$(dirname "$(command -v "$program")")/python" speedup.py --launcher "$(printf %q "$run")"
}

# Iteration 1 against the median of the 60 after it, warm kernel cache: three starts of each solver on the digits.
first() {
  mkdir -p first
  echo "job,start,kernels_seconds,first_seconds,later_seconds,first_over_later" > first/table.csv
  for start in 1 2 3; do
    for job in ../jobs/digits-*.toml; do
      "$program" bench "$job" --only first --json 2>/dev/null | python3 -c 'import json, sys
values = json.load(sys.stdin)["figures"]
keys = ("kernels_seconds", "first_seconds", "later_seconds", "first_over_later")
print("'"$(basename "$job" .toml)"'", '$start', *(values[key] for key in keys), sep=",")' >> first/table.csv
    done
  done
  "$program" bench ../jobs/digits-taylor.toml --only first --json 2>/dev/null > first/environment.json
}

# The comparisons of the three papers, every solver on the same network, data and cores: jobs/rivals/<paper> holds those
# of all data, and in a folder for each data set those whose values hpcadmm tune has chosen. A second call goes on.
rivals() {
  duel taylor mnist 0.93
  duel taylor binary 0.97 --set 'data.classes=[4,9]'
  duel dladmm mnist 0.91
  duel dladmm fashion 0.82 --set data.name=fashion-mnist
  duel pdadmm mnist 0.91
  duel pdadmm fashion 0.80 --set data.name=fashion-mnist
  duel pdadmm cifar 0.38 --set data.name=cifar-10
}

# mpadmm: time to 97 % against Adam at four batches; accuracy over five seeds; its sweep against its floor; by layers.
speed() {
  "$program" compare ../jobs/speed/*.toml --ranks 2 --repeat 5 --target 0.97 --launcher "$run" --out compare/speed
  mkdir -p speed && cp compare/speed/{summary.md,summary.csv,table.csv,figure.png} speed/
}

mpadmm() {
  mkdir -p mpadmm
  "$program" compare ../jobs/mnist-mpadmm.toml ../jobs/mnist-mpadmm-best.toml --ranks 2 --repeat 5 --target 0.97 \
    --launcher "$run" --out compare/mpadmm-mnist
  "$program" compare ../jobs/fashion-mpadmm.toml --ranks 2 --repeat 5 --target 0.88 --launcher "$run" \
    --out compare/mpadmm-fashion
  for data in mnist fashion; do cp compare/mpadmm-$data/summary.md mpadmm/$data.md; done
  for data in mnist fashion; do cp compare/mpadmm-$data/table.csv mpadmm/$data.csv; done
  for n in 1 2; do
    "$run" -n $n "$program" bench ../jobs/mnist-mpadmm.toml --only floor --only iteration --iterations 25 \
      --json > mpadmm/floor-$n.json 2>/dev/null
  done
  "$program" bench ../jobs/layers-mpadmm.toml --scaling --ranks 1,2 --repeats 3 --iterations 3 \
    --json > mpadmm/layers.json 2>/dev/null
}

# The experiments of jobs/scaling: report, samples and jobs of each. STUDIES names some of them; what a second call finds
# it keeps.
scale() {
  for name in ${STUDIES:-$(basename -s .toml ../jobs/scaling/*.toml)}; do
    [ "$name" = quick ] && continue
    "$program" scaling run "../jobs/scaling/$name.toml" --launcher "$run" --out "runs/scaling/$name"
    rm -rf "scaling/$name" && mkdir -p "scaling/$name"
    "$program" scaling report "runs/scaling/$name" -o "scaling/$name"
    cp -r "runs/scaling/$name"/{experiment.json,plan.json,jobs,samples} "scaling/$name/"
  done
}

# The model of the scaling from the experiments that there are, this machine's rates, curves to 10,000 ranks.
model() {
  [ -f scaling/machine.json ] || "$program" scaling machine --launcher "$run" -o scaling/machine.json
  "$program" scaling model runs/scaling/*/ --machine scaling/machine.json -o scaling/model
  for solver in taylor pdadmm; do
    for fabric in 100g 200g; do
      "$program" scaling model runs/scaling/*$solver*/ --machine scaling/machine.json --fabric $fabric -o scaling/model-$solver-$fabric
    done
  done
  for kind in grids layers; do
    "$program" scaling model runs/scaling/pdadmm-* --machine scaling/machine.json --kind $kind --fabric 100g -o scaling/model-$kind
  done
}

duel() {
  local figure=$1 data=$2 target=$3
  shift 3
  "$program" compare ../jobs/rivals/"$figure"/{,"$data"/}*.toml --ranks 2 --repeat "${REPEAT:-3}" --target "$target" \
    --launcher "$run" --out "compare/$figure-$data" "$@"
  mkdir -p "rivals/$figure-$data"
  cp "compare/$figure-$data"/{summary.md,summary.csv,table.csv,figure.png} "rivals/$figure-$data/"
}

# PyTorch's Adam and ours, one after the other, three times; TORCH_PYTHON names an interpreter that has torch.
torch() {
  mkdir -p torch
  : > torch/torch.jsonl
  : > torch/hpcadmm.jsonl
  for seed in 0 1 2; do
    "${TORCH_PYTHON:?an interpreter that has torch}" torch_epoch.py --threads 2 --seed $seed >> torch/torch.jsonl
    rm -rf runs/torch
    "$run" -n 2 "$program" train ../jobs/mnist-adam.toml --set seed=$seed --out runs/torch --quiet
    python3 -c 'import json; print(json.dumps(json.load(open("runs/torch/summary.json"))))' >> torch/hpcadmm.jsonl
  done
  cp runs/torch/environment.json torch/
}

for part in ${*:-runs hashes floor exact scaling layers grids wires convergence accuracy speedup decentralized speed mpadmm first scale model rivals}; do "$part"; done
