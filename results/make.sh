#!/usr/bin/env bash
# Makes what the folders here show: make.sh [PART...]. Needs a quiet machine and HPCADMM_DATA, the folder of the data.
# MPIRUN and HPCADMM name the programs. What a part with `compare` or `scaling run` has finished, a second call keeps.
set -euo pipefail
cd "$(dirname "$0")"
. ./programs.sh
parts="runs hashes floor exact scaling layers grids wires convergence decentralized mpadmm first scale model"

jobs=../jobs
taylor=$jobs/mnist-taylor-deep.toml mpadmm=$jobs/mnist-mpadmm.toml
adam=$jobs/dladmm-2019/accuracy-adam.toml pdadmm=$jobs/pdadmm-2020/accuracy-pdadmm.toml

# train FOLDER NAME JOB [--set ...]: a run on two ranks; its metrics, summary and environment become FOLDER/NAME-*.
train() {
  local folder=$1 name=$2 job=$3
  shift 3
  rm -rf "runs/$folder/$name" && mkdir -p "$folder"
  "$run" -n 2 "$program" train "$job" --set "name=$name" "$@" --out "runs/$folder/$name" --quiet
  for part in metrics.jsonl summary.json environment.json; do cp "runs/$folder/$name/$part" "$folder/$name-$part"; done
}

# summary RUN KEY...: those values of the run, parted by commas.
summary() {
  python3 -c 'import json, sys
found = json.load(open(sys.argv[1] + "/summary.json"))
print(*(found.get(key, "") for key in sys.argv[2:]), sep=",")' "$@"
}

# bench N FILE JOB [OPTION...]: the figures of a job on N ranks, as JSON.
bench() {
  mkdir -p "$(dirname "$2")"
  "$run" -n "$1" "$program" bench "$3" "${@:4}" --json > "$2" 2>/dev/null
}

# Taylor's ADMM on MNIST and Fashion-MNIST.
runs() {
  for data in mnist fashion-mnist; do
    local name=${data%-mnist}-taylor
    rm -rf "runs/$name" && mkdir -p "$name"
    "$run" -n 2 "$program" train $jobs/mnist-taylor.toml --set data.name=$data --set "name=$name" \
      --out "runs/$name" --quiet
    cp "runs/$name"/{job.toml,metrics.jsonl,summary.json,environment.json} "$name/"
    "$program" plot "runs/$name" -o "$name/figure.png"
  done
}

# The same weights on 1, 2, 3, 4 and 8 ranks: taylor.
hashes() {
  mkdir -p taylor-hashes
  echo "precision,data,ranks,weights_sha256" > taylor-hashes/table.csv
  for precision in float32 float64; do
    for data in digits mnist; do
      for n in 1 2 3 4 8; do
        local job=$jobs/digits-taylor.toml first=()
        [ "$data" = mnist ] && job=$taylor first=(--set data.first=9999)
        rm -rf runs/hash
        "$run" -n "$n" "$program" train "$job" "${first[@]}" --set precision=$precision --set stop.iterations=20 \
          --set solver.warm=5 --set evaluate.every=0 --out runs/hash --quiet
        echo "$precision,$data,$n,$(summary runs/hash weights_sha256)" >> taylor-hashes/table.csv
      done
    done
  done
  cp runs/hash/environment.json taylor-hashes/
}

# The iteration against its floor.
floor() {
  for n in 1 2; do
    for loss in hinge cross-entropy; do
      bench $n taylor-floor/$loss-$n.json $taylor --set loss.name=$loss --only floor --only iteration --iterations 15
    done
  done
}

# The cost of exact sums: seconds of an iteration over those with plain sums, interleaved.
exact() {
  for n in 1 2; do
    for job in mnist-taylor-deep mnist-mpadmm; do
      bench $n exact/$job-$n.json $jobs/$job.toml --against solver.sums=plain --only iteration --iterations 25
    done
  done
}

scaling() {
  mkdir -p taylor-floor
  "$program" bench $taylor --scaling --ranks 1,2 --repeats 5 --json > taylor-floor/ranks-1-2.json 2>/dev/null
}

# pdADMM: the floor under its iteration, two ranks against one.
layers() {
  for n in 1 2; do
    bench $n pdadmm-layers/floor-$n.json $jobs/layers-pdadmm.toml --only floor --only iteration --iterations 7
  done
  "$program" bench $jobs/layers-pdadmm.toml --scaling --ranks 1,2 --repeats 5 --iterations 4 \
    --json > pdadmm-layers/ranks-1-2.json 2>/dev/null
}

# The same weights on every grid: pdadmm.
grids() {
  mkdir -p pdadmm-grids
  echo "precision,update,wire,ranks,grid,weights_sha256" > pdadmm-grids/table.csv
  for choice in "float32 quadratic float32" "float64 quadratic float64" "float32 exact float32" "float64 exact 8"; do
    read -r precision update wire <<< "$choice"
    for grid in "1 1" "2 1" "3 1" "5 1" "10 1" "1 2" "1 3" "2 2" "5 2" "3 3"; do
      read -r blocks samples <<< "$grid"
      rm -rf runs/hash
      "$run" -n $((blocks * samples)) "$program" train $jobs/digits-pdadmm-deep.toml --set precision=$precision \
        --set 'network.hidden=[40,40,40,40,40,40,40,40,40]' --set solver.update=$update --set solver.wire="$wire" \
        --set "solver.grid=[$blocks,$samples]" --set stop.iterations=20 --set evaluate.every=0 --out runs/hash --quiet
      echo "$precision,$update,$wire,$((blocks * samples)),$blocks x $samples,$(summary runs/hash weights_sha256)" \
        >> pdadmm-grids/table.csv
    done
  done
  cp runs/hash/environment.json pdadmm-grids/
}

# A byte per entry against four, five seeds: bytes on the wire and accuracy on the same two ranks.
wires() {
  mkdir -p pdadmm-wires
  echo "job,wire,seed,test_accuracy,bytes,payload_bytes" > pdadmm-wires/table.csv
  for job in $jobs/digits-pdadmm.toml $jobs/digits-pdadmm-deep.toml $pdadmm; do
    local sets=()
    [ "$job" = "$pdadmm" ] && sets=(--set data.downsample=2 --set data.first=10000 --set stop.iterations=100)
    for seed in 0 1 2 3 4; do
      for wire in float32 float16 16 8; do
        rm -rf runs/wire
        "$run" -n 2 "$program" train "$job" "${sets[@]}" --set precision=float32 --set "solver.wire=$wire" \
          --set "seed=$seed" --set evaluate.every=0 --out runs/wire --quiet
        echo "$(basename "$job" .toml),$wire,$seed,$(summary runs/wire test_accuracy bytes payload_bytes)" >> pdadmm-wires/table.csv
      done
    done
  done
  cp runs/wire/environment.json pdadmm-wires/
}

# Do the Lagrangians of dlADMM and pdADMM fall?
convergence() {
  for data in mnist fashion-mnist; do
    train convergence ${data%-mnist}-dladmm $jobs/dladmm-2019/convergence-dladmm.toml --set data.name=$data
    train convergence ${data%-mnist}-pdadmm $jobs/pdadmm-2020/convergence-pdadmm.toml --set data.name=$data
    "$program" plot runs/convergence/${data%-mnist}-* -o convergence/${data%-mnist}.png
  done
}

# GADMM's family and its baselines on California housing, to an error of 1e-5; then a network on MNIST.
decentralized() {
  local iid=(--set data.scale=auto --set data.standardise=true --set data.standardise_targets=true)
  iid+=(--set data.order=shuffled)
  housing seed-gadmm 20
  housing seed-qgadmm 20
  housing seed-consensus 20
  housing seed-gd 100
  housing seed-qgd 100
  housing best-gadmm 10 --set solver.rho=48.0
  housing best-qgadmm 10 --set solver.rho=48.0
  housing best-consensus 10 --set solver.rho=18.0
  housing best-gd 100 --set solver.rate=4.57
  housing best-qgd 100 --set solver.rate=4.58
  housing iid-gadmm 5 "${iid[@]}" --set solver.rho=2000.0
  housing iid-qgadmm 5 "${iid[@]}" --set solver.rho=2000.0
  housing iid-consensus 5 "${iid[@]}" --set solver.rho=800.0
  housing iid-gd 5 "${iid[@]}" --set solver.rate=0.489
  housing iid-qgd 5 "${iid[@]}" --set solver.rate=0.512 --set solver.bits=3
  train decentralized mnist-gadmm $jobs/mnist-gadmm.toml
  train decentralized mnist-qgadmm $jobs/mnist-gadmm.toml --set solver.name=qgadmm --set solver.bits=8
  local network=(--set 'network.hidden=[128,64]' --set solver.workers=10)
  train decentralized mnist-adam-1000 $adam "${network[@]}" --set solver.batch=1000 --set solver.rate=3e-3 \
    --set stop.iterations=600 --set evaluate.every=20
  train decentralized mnist-adam-4000 $adam "${network[@]}" --set solver.batch=4000 --set solver.rate=6e-3 \
    --set stop.iterations=150 --set evaluate.every=5
  python3 -c 'import json, pathlib
keys = ("iterations", "rounds", "payload_bits", "objective_error", "test_accuracy", "seconds")
print("job", *keys, sep=",")
for file in sorted(pathlib.Path("decentralized").glob("*-summary.json")):
    found = json.loads(file.read_text())
    print(file.name.removesuffix("-summary.json"), *(found.get(key, "") for key in keys), sep=",")' \
    > decentralized/table.csv
  for kind in seed best iid; do
    "$program" plot runs/decentralized/$kind-{gadmm,qgadmm,consensus,gd,qgd} -o decentralized/$kind.png \
      --x iterations --x rounds --x payload --y "objective error"
  done
  "$program" plot runs/decentralized/mnist-{gadmm,qgadmm,adam-1000,adam-4000} -o decentralized/mnist.png \
    --x iterations --x payload --y accuracy
}

# housing SETTING-SOLVER EVERY [--set ...]: a run on California housing to an error of 1e-5.
housing() {
  train decentralized "$1" "$jobs/california-${1#*-}.toml" --set stop.iterations=60000 --set stop.error=1e-5 \
    --set "evaluate.every=$2" "${@:3}"
}

# dlADMM on 784-1000-1000-10: seconds of an iteration by samples, rho and neurons. Only if asked for; four minutes.
sizes() {
  local job=$jobs/mnist-dladmm.toml each=(--only iteration --warm 1 --iterations 5)
  for n in 5000 10000 20000 40000 60000; do
    bench 2 runs/sizes/samples-$n.json $job --set data.first=$n "${each[@]}"
  done
  for rho in 1e-6 1e-4 1e-2 1.0; do
    bench 2 runs/sizes/rho-$rho.json $job --set solver.rho=$rho "${each[@]}"
  done
  for n in 125 250 500 1000 2000; do
    bench 2 runs/sizes/neurons-$n.json $job --set "network.hidden=[$n,$n]" "${each[@]}"
  done
  mkdir -p dladmm-sizes
  python3 -c 'import json, sys
print("varied,value,iteration_seconds,iteration_seconds_min,commit")
for name in sys.argv[1:]:
    found = json.load(open(name))
    keys = ("iteration_seconds", "iteration_seconds_min")
    varied, value = name.rsplit("/", 1)[1].removesuffix(".json").split("-", 1)
    print(varied, value, *(found["figures"][key] for key in keys), found["environment"]["commit"]["commit"][:12], sep=",")' \
    runs/sizes/*.json > dladmm-sizes/table.csv
  cp runs/sizes/samples-5000.json dladmm-sizes/environment.json
}

# Iteration 1 against the median of the 60 after it, warm kernel cache: three starts of each solver on the digits.
first() {
  mkdir -p first
  echo "job,start,kernels_seconds,first_seconds,later_seconds,first_over_later" > first/table.csv
  for start in 1 2 3; do
    for job in $jobs/digits-*.toml; do
      bench 1 runs/first.json "$job" --only first
      python3 -c 'import json, sys
found = json.load(open("runs/first.json"))["figures"]
keys = ("kernels_seconds", "first_seconds", "later_seconds", "first_over_later")
print(*sys.argv[1:], *(found[key] for key in keys), sep=",")' "$(basename "$job" .toml)" $start >> first/table.csv
    done
  done
  cp runs/first.json first/environment.json
}

# duel FOLDER TARGET JOB... [--set ...]: a comparison on two ranks; its tables and figure go into FOLDER.
duel() {
  "$program" compare "${@:3}" --ranks 2 --repeat 5 --target "$2" --launcher "$run" --out "compare/$1"
  mkdir -p "$1" && cp "compare/$1"/{summary.md,summary.csv,table.csv,figure.png} "$1/"
}

# Seconds and steps to three accuracies on three networks, ours and PyTorch's: see race/README.md. Only if asked for, since
# it needs TORCH_PYTHON, an interpreter that has torch.
speed() {
  for network in ${NETWORKS:-mnist wide higgs}; do
    MPIRUN=$run HPCADMM=$program race/make.sh tune "$network"
    MPIRUN=$run HPCADMM=$program race/make.sh race "$network"
  done
}

# Convex models beside scikit-learn and dask-glm: see convex/README.md. Only if asked for, since it needs RIVAL_PYTHON, an
# interpreter that has them.
convex() {
  for part in optimum "race a9a l1" "race a9a l2" "race dense l1" "race dense l2" "rho a9a" "rho california" sums ranks path; do
    MPIRUN=$run HPCADMM=$program convex/make.sh $part
  done
}

# Theorems, assumptions and motivations of the slides on small problems: see claims/README.md. Only if asked for, since it
# needs PYTHON, the program's interpreter, with matplotlib.
claims() {
  for part in ${CLAIMS:-milder rates start stages depth gaussian ranks}; do
    HPCADMM=$program claims/make.sh "$part"
  done
}

# The accuracy of a multilayer perceptron on MNIST over five seeds. Only if asked for.
record() { duel record/mnist 0.989 $jobs/record/mnist.toml --set "precision=${PRECISION:-float32}"; }

# mpadmm: accuracy over five seeds; its sweep against its floor; two ranks by layers against one.
mpadmm() {
  duel mpadmm/mnist 0.97 $mpadmm $jobs/mnist-mpadmm-best.toml
  duel mpadmm/fashion 0.88 $mpadmm:name=fashion-mpadmm:data.name=fashion-mnist:solver.delta=0.5:solver.average=0.8
  for n in 1 2; do
    bench $n mpadmm/floor-$n.json $mpadmm --only floor --only iteration --iterations 25
  done
  "$program" bench $jobs/layers-mpadmm.toml --scaling --ranks 1,2 --repeats 3 --iterations 3 \
    --json > mpadmm/layers.json 2>/dev/null
}

# Layers dealt to two ranks, on the 2,500 images of torchbraid's example. Only if asked for; two minutes.
layered() {
  duel rivals/layered 0.86 $mpadmm:name=mpadmm:solver.grid=layers:stop.iterations=20 $pdadmm:name=pdadmm:evaluate.every=1 \
    --set data.first=2500
}

# The experiments of jobs/scaling, or those that STUDIES names: report and figure of each.
scale() {
  for name in ${STUDIES:-$(basename -s .toml $jobs/scaling/*.toml)}; do
    [ "$name" = quick ] && continue
    "$program" scaling run "$jobs/scaling/$name.toml" --launcher "$run" --out "runs/scaling/$name"
    "$program" scaling report "runs/scaling/$name" -o "scaling/$name"
  done
}

# The model of the scaling: from the experiments in runs/scaling and this machine's rates, to 10,000 ranks.
model() {
  local with=(--machine scaling/machine.json)
  [ -f scaling/machine.json ] || "$program" scaling machine --launcher "$run" -o scaling/machine.json
  "$program" scaling model runs/scaling/*/ "${with[@]}" -o scaling/model
  for solver in taylor pdadmm; do
    for fabric in 100g 200g; do
      "$program" scaling model runs/scaling/*$solver*/ "${with[@]}" --fabric $fabric -o scaling/model-$solver-$fabric
    done
  done
  for kind in grids layers; do
    "$program" scaling model runs/scaling/pdadmm-* "${with[@]}" --kind $kind --fabric 100g -o scaling/model-$kind
  done
}

for part in ${*:-$parts}; do "$part"; done
