#!/usr/bin/env bash
# How many sums does mpadmm need if those of its first layer arrive one sweep late? late.sh [PROBLEM...]: SEEDS (5) seeds
# of mnist, fashion and deep, with solver.late = 1 and 0. Sums count here, not seconds, so one rank does. Makes late/; needs
# HPCADMM_DATA. HPCADMM names the program. A call that was stopped continues.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./programs.sh

count() {
  local job=../jobs/network/late-$1.toml out=compare/network/late-$1 target
  "$program" compare "$job" "$job:name=on-time:solver.late=0" $(for target in "${@:2}"; do echo --target "$target"; done) \
    --repeat "${SEEDS:-5}" --out "$out" | grep -E '^[0-9]+ of|^Error' || true
  mkdir -p "network/late/$1" && cp "$out"/{summary.md,summary.csv,table.csv} "network/late/$1/"
}

declare -A targets=([mnist]="0.97 0.98" [fashion]="0.87 0.88" [deep]=0.97)
for problem in ${*:-mnist fashion deep}; do count "$problem" ${targets[$problem]}; done
