#!/usr/bin/env bash
# The convex solvers beside scikit-learn and dask-glm, two ranks of one thread against two threads. Needs a quiet machine,
# HPCADMM_DATA, and RIVAL_PYTHON, an interpreter with requirements.txt; A9A (a folder) and COVTYPE (a csv file) say where those
# data are. MPIRUN, HPCADMM and PYTHON (with hpcadmm and matplotlib) name the programs.
#
#   make.sh optimum [PROBLEM...]    objective, duality gap and non-zeros beside a tight scikit-learn
#   make.sh race a9a|dense [l1|l2]  seconds, rounds and bytes to 1e-4; REPEAT (3) runs of each, in turns; ONLY="saga lbfgs" takes
#                                   some entrants
#   make.sh rho [PROBLEM...]        iterations to 1e-4 from a rho 1e-3 to 1e3 times the best fixed one; SOLVER (unwrapped)
#   make.sh sums                    how many sums over the ranks a lasso takes
#   make.sh ranks                   two ranks against one, 4,000,000 x 100 in float32
#   make.sh path [squared|logistic] a path of 50 strengths against 50 cold runs
#   make.sh list                    the problems and the entrants
#
# SAMPLES replaces the number of drawn samples, for a trial. A call that was stopped continues where it was. Tables and figures
# lie in this folder, the runs in ../compare and ../runs.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./tuned.sh
. ./programs.sh
export CONVEX_RIVAL="${RIVAL_PYTHON:-} $PWD/convex/rival.py"
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # kernels that are forced are not those of a user
jobs=../jobs/convex a9a=${A9A:-${HPCADMM_DATA:-.}/wild/a9a} covtype=${COVTYPE:-${HPCADMM_DATA:-.}/wild/covtype/covtype_sample.csv}
runs=${RUNS:-.} out=${OUT:-convex} # where runs and tables go

# NAME | job and settings | the other solver of ours, or - | method and options of scikit-learn
problems() {
  local o=solver.options huber="loss.name=huber penalty.name=l2" median="loss.name=quantile"
  cat << END
a9a-l1 | a9a | consensus | liblinear $o.tolerance=1e-12
a9a-l2 | a9a penalty.name=l2 | consensus | newton-cholesky $o.tolerance=1e-14
a9a-elastic | a9a penalty.name=elastic-net | consensus | saga $o.tolerance=1e-12
california-lasso | california | consensus | coordinates $o.tolerance=1e-15
california-huber | california $huber | consensus | lbfgs $o.tolerance=1e-16
california-quantile | california $median | - | highs
diabetes-lasso | diabetes | consensus | coordinates $o.tolerance=1e-15
diabetes-huber | diabetes $huber | consensus | lbfgs $o.tolerance=1e-16
diabetes-quantile | diabetes $median | - | highs
digits-l1 | digits | consensus | saga $o.tolerance=1e-10
covtype-hinge | covtype | - | liblinear $o.tolerance=1e-12
END
}

# NAME | settings, for a penalty and a number of samples
entrants() {
  local rival='solver.name=program solver.command=$CONVEX_RIVAL solver.method=' o=solver.options
  cat << END
unwrapped | solver.name=unwrapped
unwrapped-spectral | solver.name=unwrapped solver.adapt=spectral
consensus | solver.name=consensus solver.workers=2
saga | ${rival}saga
liblinear | ${rival}liblinear
sgd | ${rival}sgd
dask-glm | ${rival}admm $o.sparse=false
dask-glm-tuned | ${rival}admm $o.sparse=false $o.relax=1.6 $o.rho=$(($2 / 100))
END
  [ "$1" = l1 ] || printf '%s\n' "lbfgs | ${rival}lbfgs" "newton-cholesky | ${rival}newton-cholesky"
}

# settings of a rival: it reads dense samples, and keeps those of a9a as CSR.
for_rival() { [ "$1" != a9a ] || echo data.sparse=false; }

# settings of a job's data.
data_of() {
  case $1 in
    a9a) echo "data.path=$a9a" ;;
    covtype) echo "data.path=$covtype" ;;
    diabetes) echo "data.path=$PWD/$runs/runs/diabetes.npz" ;;
    dense) echo "data.samples=${SAMPLES:-1000000}" ;;
  esac
}

# prepared JOB: the folder of runs, and the data of a job that come from scikit-learn.
prepared() {
  mkdir -p "$runs/runs"
  [ "$1" != diabetes ] || $CONVEX_RIVAL diabetes "$runs/runs/diabetes.npz"
}

# duel FOLDER TARGET JOB... [OPTION...]: a comparison on two ranks, and its table and figure in FOLDER.
duel() {
  local compared=$runs/compare/convex-${1//\//-}
  "$program" compare "${@:3}" --ranks 2 --launcher "$run" --out "$compared" || [ $? = 1 ]
  "$python" convex/table.py "$compared" "$out/$1" "$2"
}

optimum() {
  local name job other method words both
  while IFS='|' read -r name job other method <&3; do
    name=${name// /} other=${other// /}
    chosen "$name" "$@" || continue
    read -ra words <<< "$job"
    job=$jobs/${words[0]}.toml
    prepared "${words[0]}"
    mapfile -t both < <(flags --set $(data_of "${words[0]}") "${words[@]:1}")
    method=solver.method=$(sed 's/^ *//; s/ *$//; s/ /:/g' <<< "$method $(for_rival "${words[0]}")")
    duel "optimum/$name" 1e-6 "$job:name=unwrapped" $([ "$other" = - ] || echo "$job:name=$other:solver.name=$other") \
      "$job:name=scikit-learn:solver.name=program:solver.command=\$CONVEX_RIVAL:$method:solver.options.once=true:stop.iterations=${MOST:-100000}" \
      "${both[@]}"
  done 3< <(problems)
}

race() {
  local penalty=${2:-l1} number=32561 entrants=() name settings both
  [ "$1" = a9a ] || number=${SAMPLES:-1000000}
  while IFS='|' read -r name settings; do
    [[ " ${ONLY:-$name} " == *" ${name// /} "* ]] || continue
    [[ $settings != *program* ]] || settings+=" $(for_rival "$1")"
    entrants+=("$jobs/$1.toml:name=${name// /}$(printf ':%s' $settings)")
  done < <(entrants "$penalty" "$number")
  mapfile -t both < <(flags --set $(data_of "$1") "penalty.name=$penalty" "stop.minutes=${MINUTES:-1}")
  duel "race/$1-$penalty" 1e-4 "${entrants[@]}" "${both[@]}" --repeat "${REPEAT:-3}"
}

rho() {
  local name job other method words some=() solver=${SOLVER:-unwrapped}
  while IFS='|' read -r name job other method <&3; do
    name=${name// /} other=${other// /}
    chosen "$name" "$@" || continue
    [ "$solver" = unwrapped ] || [ "$other" = "$solver" ] || continue
    read -ra words <<< "$job"
    prepared "${words[0]}"
    some+=("$name=$jobs/${words[0]}.toml$(printf ':%s' $(data_of "${words[0]}") "${words[@]:1}")")
  done 3< <(problems)
  "$python" convex/rho.py "$out/rho-$solver" --solver "$solver" --most "${MOST:-1000}" "${some[@]}"
}

# trained NAME RANKS JOB SETTING...: a run; its folder is runs/convex-NAME.
trained() {
  local folder=$runs/runs/convex-$1 ranks=$2 job=$3
  rm -rf "$folder"
  "$run" -n "$ranks" "$program" train "$job" $(flags --set "${@:4}") --out "$folder" --quiet
}

# cost NAME: seconds of the solver and of what it prepares, iterations, and sums, of that run.
cost() {
  "$python" -c 'import json, sys
summary = json.load(open(f"{sys.argv[1]}/summary.json"))
last = json.loads(open(f"{sys.argv[1]}/metrics.jsonl").read().splitlines()[-1])
print(summary["seconds"] + summary.get("prepare_seconds", 0), last["iteration"], last["messages"] / summary["ranks"], sep=",")' \
    "$runs/runs/convex-$1"
}

sums() {
  mkdir -p "$out/sums"
  echo "solver,job,seconds,iterations,sums" > "$out/sums/table.csv"
  for solver in unwrapped consensus; do
    for job in california a9a; do
      for most in 10 20; do
        trained sums 2 $jobs/$job.toml $(data_of $job) solver.name=$solver solver.adapt=none stop.iterations=$most \
          stop.gap=1e-15 evaluate.every=0
        echo "$solver,$job,$(cost sums)" | tee -a "$out/sums/table.csv"
      done
    done
  done
}

ranks() {
  mkdir -p "$out/ranks"
  "$program" bench $jobs/dense.toml --set "data.samples=${SAMPLES:-4000000}" --set precision=float32 --scaling --ranks 1,2 \
    --repeats "${REPEAT:-5}" --json > "$out/ranks/dense.json"
  "$program" scaling advise $jobs/dense.toml --set "data.samples=${SAMPLES:-4000000}" --set precision=float32 --ranks 64 \
    > "$out/ranks/advice.txt"
}

# path [squared|logistic]: seconds of the solver with what it prepares, and of the whole program.
path() {
  local strength k=0 both loss=${1:-squared} folder=$out/path/${1:-squared} start
  mkdir -p "$folder"
  both="$(data_of dense) loss.name=$loss stop.iterations=1000 evaluate.every=0 stop.relative=1e-5 stop.absolute=1e-7"
  echo "run,strength,wall,seconds,iterations,sums" > "$folder/table.csv"
  start=$(date +%s.%N)
  trained path 2 $jobs/dense.toml $both "solver.path=max:1e-3:${STRENGTHS:-50}"
  echo "path,,$(since "$start"),$(cost path)" >> "$folder/table.csv"
  cp "$runs/runs/convex-path/path.csv" "$folder/"
  "$program" plot "$runs/runs/convex-path" --path -o "$folder/figure.png"
  while IFS=, read -r strength _ <&3; do
    k=$((k + 1)) start=$(date +%s.%N)
    trained cold 2 $jobs/dense.toml $both "penalty.strength=$strength"
    echo "cold-$k,$strength,$(since "$start"),$(cost cold)" >> "$folder/table.csv"
  done 3< <(tail -n +2 "$folder/path.csv")
  "$python" -c 'import csv, sys
first, *rows = csv.DictReader(open(sys.argv[1]))
for key in ("wall", "seconds", "iterations"):
    one, cold = float(first[key]), sum(float(row[key]) for row in rows)
    print(f"{key}: path {one:.2f}, {len(rows)} cold runs {cold:.2f}: {cold / one:.2f} times")' "$folder/table.csv" |
    tee "$folder/summary.txt"
}

# since START: seconds that have passed.
since() { "$python" -c "import time; print(f'{time.time() - $1:.2f}')"; }

list() {
  problems
  entrants "${1:-l2}" 1000000
}

case ${1:-} in
  optimum | race | rho | sums | ranks | path | list) "$@" ;;
  *) echo "known parts: optimum, race, rho, sums, ranks, path, list" >&2 && exit 2 ;;
esac
