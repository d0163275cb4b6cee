#!/usr/bin/env bash
# The papers' comparisons of accuracy, with the same budget of tuning for all. Needs HPCADMM_DATA; for the study
# taylor-higgs also HIGGS_ROWS, the folder that higgs.py reads. HPCADMM names the program, PYTHON its
# interpreter. Counts and accuracies do not
# need a quiet machine, seconds do.
#
#   make.sh tune STUDY [ENTRANT...]   TRIALS (20) trials of each entrant, by the accuracy on held-out samples
#   make.sh race STUDY [ENTRANT...]   SEEDS (5) seeds of those that were tuned, in turns, on the test samples
#   make.sh full STUDY [ENTRANT...]   the same with all samples and iterations of the study, in STUDY/full
#   make.sh list STUDY                the entrants
#
# STUDY keeps ENTRANT.toml, the best of an entrant's trials, trials/, and the tables and the figure of the race. A call
# that was stopped continues where it was.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./tuned.sh
. ./programs.sh
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # kernels that are forced are not those of a user

part=$1 study=$2
. papers/studies.sh

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
