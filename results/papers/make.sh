#!/usr/bin/env bash
# The papers' comparisons of accuracy, with the same budget of tuning for all. Needs HPCADMM_DATA; for the study
# taylor-higgs also HIGGS_ROWS, the folder that higgs.py reads. HPCADMM names the program, PYTHON its
# interpreter. Counts and accuracies do not
# need a quiet machine, seconds do.
#
#   make.sh tune STUDY [ENTRANT...]   TRIALS (20) trials of each entrant, by the accuracy on held-out samples
#   make.sh race STUDY [ENTRANT...]   SEEDS (5) seeds of those that were tuned, in turns, on the test samples
#   make.sh full STUDY [ENTRANT...]   the same at the paper's number of samples and iterations, in STUDY/full
#   make.sh list STUDY                the entrants
#
# STUDY keeps ENTRANT.toml, the best of an entrant's trials, trials/, and the tables and the figure of the race. A call
# that was stopped continues where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./tuned.sh
. ./programs.sh
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # kernels that are forced are not those of a user

part=$1 study=$2 more=() place=() # settings of all trials; where the data lie, which no ENTRANT.toml says
case $study in
  taylor-higgs)
    job=../jobs/taylor-2016/higgs.toml held=0.2 targets=(0.64 0.66)
    data=runs/higgs-rows
    [ -d $data ] || "$python" papers/higgs.py "${HIGGS_ROWS:?names the folder that higgs.py reads}" $data
    place=("data.path=$PWD/$data")
    ;;
  dladmm-mnist | dladmm-fashion)
    job=../jobs/mnist-dladmm.toml held=0.2 targets=(0.899 0.95)
    [ $study = dladmm-mnist ] || { more=("data.name=fashion-mnist") targets=(0.80 0.85); }
    ;;
  pdadmm-mnist | pdadmm-fashion | pdadmm-cifar)
    job=../jobs/pdadmm-2020/accuracy-pdadmm.toml held=0.2 targets=(0.90 0.95)
    more=("data.downsample=2" "network.hidden=[500,500,500,500,500,500,500,500,500]")
    [ $study != pdadmm-fashion ] || { more+=("data.name=fashion-mnist") targets=(0.80 0.85); }
    [ $study != pdadmm-cifar ] || { more+=("data.name=cifar-10") targets=(0.35 0.40); }
    ;;
  *) echo "known studies: taylor-higgs, dladmm-mnist, dladmm-fashion, pdadmm-mnist, pdadmm-fashion, pdadmm-cifar" >&2 && exit 2 ;;
esac

# NAME | settings of the job | what is varied | settings at the paper's size
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

# dlADMM: 784-1000-1000-10. NAME-paper has the paper's rates, with all samples in each step.
dladmm() {
  local whole="solver.batch=5000 stop.iterations=60" steps="solver.batch=128 stop.iterations=600 evaluate.every=50"
  local batch="solver.batch=choice:64,128,256" sized="data.first=$samples"
  local longer="$sized stop.iterations=4000 evaluate.every=200" all="$sized stop.iterations=200"
  cat << END
dladmm | | solver.nu=log:1:100 solver.rho=log:1e-7:1e-3 | $all
dladmm-paper | solver.nu=1e-6 solver.rho=1e-6 solver.schedule=every solver.init=normal | | $all
adam | solver.name=adam $steps | solver.rate=log:1e-4:1e-2 $batch | $longer
adadelta | solver.name=adadelta $steps | solver.rate=log:0.1:10 $batch | $longer
adagrad | solver.name=adagrad $steps | solver.rate=log:1e-3:1e-1 $batch | $longer
gd | solver.name=gd | solver.rate=log:0.03:3 | $all
adam-paper | solver.name=adam solver.rate=1e-3 $whole | | $all solver.batch=$samples
adadelta-paper | solver.name=adadelta solver.rate=0.1 $whole | | $all solver.batch=$samples
adagrad-paper | solver.name=adagrad solver.rate=1e-3 $whole | | $all solver.batch=$samples
gd-paper | solver.name=gd solver.rate=1e-6 | | $all
mpadmm | solver.name=mpadmm solver.batch=2000 evaluate.every=2 | solver.delta=log:0.1:10 solver.batch=choice:1000,2000,4000 | $sized stop.iterations=200
taylor | solver.name=taylor loss.name=hinge | solver.beta=log:0.1:10 solver.gamma=log:1:100 | $sized
END
}
dladmm-mnist() { samples=55000 dladmm; }
dladmm-fashion() { samples=60000 dladmm; }

# pdADMM: nine hidden layers of 500, images of half the size; tuned on 4,000 samples.
pdadmm() {
  local steps="solver.batch=128 stop.iterations=600 evaluate.every=50"
  local batch="solver.batch=choice:64,128,256" small="data.first=4000" sized="data.first=$samples"
  local longer="$sized stop.iterations=$((samples / 10)) evaluate.every=$((samples / 200))" all="$sized stop.iterations=100"
  cat << END
pdadmm | $small stop.iterations=40 | solver.nu=log:1e-2:10 solver.rho=log:1e-2:10 solver.ridge=log:1e-4:1e-1 | $all
pdadmm-paper | $small solver.nu=1e-4 solver.rho=1e-4 solver.update=backtracking solver.init=normal | | $all
dladmm | $small solver.name=dladmm solver.nu=10 solver.rho=1e-6 stop.iterations=40 | solver.nu=log:1:100 solver.rho=log:1e-7:1e-3 | $all
adam | $small solver.name=adam $steps | solver.rate=log:1e-4:1e-2 $batch | $longer
adadelta | $small solver.name=adadelta $steps | solver.rate=log:0.1:10 $batch | $longer
adagrad | $small solver.name=adagrad $steps | solver.rate=log:1e-3:1e-1 $batch | $longer
gd | $small solver.name=gd stop.iterations=100 | solver.rate=log:0.01:3 | $all
adam-paper | $small solver.name=adam solver.rate=1e-3 solver.batch=1000 | | $all solver.batch=$samples
adadelta-paper | $small solver.name=adadelta solver.rate=1.0 solver.batch=1000 | | $all solver.batch=$samples
adagrad-paper | $small solver.name=adagrad solver.rate=0.1 solver.batch=1000 | | $all solver.batch=$samples
gd-paper | $small solver.name=gd solver.rate=0.01 | | $all
mpadmm | $small solver.name=mpadmm solver.batch=2000 evaluate.every=2 | solver.delta=log:0.1:10 solver.batch=choice:1000,2000,4000 | $sized stop.iterations=200
taylor | $small solver.name=taylor loss.name=hinge stop.iterations=40 | solver.beta=log:0.1:10 solver.gamma=log:1:100 | $sized stop.iterations=60
linear | $small solver.name=unwrapped network.hidden=[] penalty.name=l2 penalty.strength=1e-3 | penalty.strength=log:1e-6:1e-1 | $sized
END
}
pdadmm-mnist() { samples=55000 pdadmm; }
pdadmm-fashion() { samples=60000 pdadmm; }
pdadmm-cifar() { samples=12000 pdadmm; }

tune() {
  local name settings vary options
  while IFS='|' read -r name settings vary _ <&3; do
    name=${name// /}
    chosen "$name" "$@" || continue
    if [ -z "${vary// /}" ]; then
      mkdir -p "papers/$study"
      "$program" train "$job" $(flags --set "name=$name" "${place[@]}" "${more[@]}" $settings) --print-job > "papers/$study/$name.toml"
      continue
    fi
    mapfile -t options < <(flags --set "name=$name" "${place[@]}" "${more[@]}" $settings && flags --vary $vary)
    tuned "papers/$study" "$name" "$job" "${options[@]}" --budget "${TRIALS:-20}" --validation $held --ranks "${RANKS:-1}"
  done 3< <("$study")
}

# compared FOLDER JOB...: a race; its tables and figure go into papers/FOLDER.
compared() {
  mkdir -p "papers/$1"
  "$program" compare "${@:2}" $(flags --set "${place[@]}") --ranks "${RANKS:-1}" --repeat "${SEEDS:-5}" \
    $(flags --target "${targets[@]}") --out "compare/papers-${1////-}" | said || [ $? = 1 ]
  cp "compare/papers-${1////-}"/{summary.md,summary.csv,table.csv,figure.png} "papers/$1/"
}

race() {
  local jobs
  mapfile -t jobs < <("$study" | raced "papers/$study" "$@")
  compared "$study" "${jobs[@]}"
}

full() {
  local jobs=() name settings
  while IFS='|' read -r name _ _ settings; do
    name=${name// /}
    chosen "$name" "$@" && [ -f "papers/$study/$name.toml" ] || continue
    [ -n "$settings" ] || { echo "$study: $name has no other size" >&2 && exit 2; }
    jobs+=("papers/$study/$name.toml$(printf ':%s' $settings)")
  done < <("$study")
  compared "$study/full" "${jobs[@]}"
}

list() { "$study"; }

case $part in
  tune | race | full | list) "$part" "${@:3}" ;;
  *) echo "known parts: tune, race, full, list" >&2 && exit 2 ;;
esac
