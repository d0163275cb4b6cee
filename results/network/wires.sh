#!/usr/bin/env bash
# Do fewer bits in a message pay between two hosts? pdadmm, its layers dealt to the two, with messages of float32, float16, 16
# and 8 bits, to 80 % on 10,000 images; gadmm and qgadmm to 95 %: ten workers on a chain, half of them on each host. RATES
# ("100mbit 1gbit none"), at each of them SEEDS (5) seeds: wires/. Needs what make.sh needs; three seeds at the first two
# rates take 13 minutes. A call that was stopped continues.
set -euo pipefail
. "$(dirname "$0")/between.sh"
. ./tuned.sh
pdadmm=../jobs/pdadmm-2020/accuracy-pdadmm.toml gadmm=../jobs/decentralized/network.toml

# at RATE NAME TARGET JOB... [--set ...]: a comparison between the hosts; its summary becomes wires/NAME-RATE.csv.
at() {
  "$program" compare "${@:4}" --ranks 2 --launcher "$hosts mpirun" --repeat "${SEEDS:-5}" --target "$3" \
    --set "stop.accuracy=$3" --out "compare/wires-$2-$1" | said || [ $? = 1 ]
  mkdir -p network/wires && cp "compare/wires-$2-$1/summary.csv" "network/wires/$2-$1.csv"
}

layers=()
for wire in float32 float16 16 8; do layers+=("$pdadmm:name=$wire:solver.wire=$wire"); done
for rate in ${RATES:-100mbit 1gbit none}; do
  "$hosts" rate "$rate"
  at "$rate" pdadmm 0.8 "${layers[@]}" --set data.first=10000 --set evaluate.every=1
  at "$rate" gadmm 0.95 "$gadmm:name=gadmm:solver.name=gadmm" "$gadmm:name=qgadmm" --set evaluate.every=5
done
"$hosts" rate none
"$(dirname "$program")/python" network/wires.py network/wires
