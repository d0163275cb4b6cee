#!/usr/bin/env bash
# How wrong is the model of the scaling between two hosts? At each of RATES ("100mbit 1gbit") measure machine, network
# and variants of jobs/scaling/network.toml, and predict each width from the others: network/model-RATE.md. Needs what
# make.sh needs; some twenty minutes. A call that was stopped continues; ONLY="adam late" takes some variants.
set -euo pipefail
. "$(dirname "$0")/between.sh"

# NAME | what is added to `set`
variants() {
  cat << END
mpadmm | solver.warm=1
late | solver.warm=1 solver.late=1
local | solver.warm=1 solver.local_steps=8
adam | solver.name=adam solver.batch=512
END
}

for rate in ${RATES:-100mbit 1gbit}; do
  "$hosts" rate "$rate"
  folder=runs/network-$rate
  mkdir -p "$folder"
  [ -f "$folder/machine.json" ] ||
    "$program" scaling machine --quick --ranks 1,2 --launcher "$hosts mpirun" -o "$folder/machine.json"
  while IFS='|' read -r name settings <&3; do
    name=${name// /}
    [[ " ${ONLY:-$name} " == *" $name "* ]] || continue
    more=$(printf '"%s", ' $settings)
    sed "s|^set = .|&$more|; s|\"\.\./|\"$PWD/../jobs/|; s|^name = .*|name = \"$name\"|" \
      ../jobs/scaling/network.toml > "$folder/$name.toml"
    "$program" scaling run "$folder/$name.toml" --launcher "$hosts mpirun" --out "$folder/$name" > /dev/null ||
      echo "$name, $rate: exit code $?"
  done 3< <(variants)
  "$program" scaling model "$folder"/*/ --machine "$folder/machine.json" --most 2 -o "runs/network-model-$rate" |
    grep -E '^leave|^FOM model'
  cp "runs/network-model-$rate/model.md" "network/model-$rate.md"
done
