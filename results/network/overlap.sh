#!/usr/bin/env bash
# How much of an iteration waits for the network if sums travel while later products are formed, and if they do not?
# RATE (1gbit); REPEAT (5) runs of each entrant with solver.overlap = "never" and "always", in turns: overlap.csv. Needs
# what make.sh needs; ten minutes.
set -euo pipefail
. "$(dirname "$0")/between.sh"
rate=${RATE:-1gbit}

# ENTRANT ITERATIONS
entrants="mpadmm-late 24
mpadmm 24
adam-512 150
adam-2048 60"

folder=runs/overlap-$rate
rm -rf "$folder"
"$hosts" rate "$rate"
for k in $(seq "${REPEAT:-5}"); do
  while read -r name iterations <&3; do
    for overlap in never always; do
      "$hosts" mpirun -n 2 "$program" train "network/$name.toml" --set "solver.overlap=$overlap" --set evaluate.every=0 \
        --set "stop.iterations=$iterations" --quiet --out "$folder/$name-$overlap-$k"
    done
  done 3<<< "$entrants"
done
"$(dirname "$program")/python" - "$folder" <<< '
import csv, json, pathlib, statistics, sys
found = {}
for file in sorted(pathlib.Path(sys.argv[1]).glob("*/summary.json")):
    name, overlap, _ = file.parent.name.rsplit("-", 2)
    one = json.loads(file.read_text())
    row = {"milliseconds": one["seconds"], "exposed": one["communicate_seconds"]["mean"], "hidden": one["hidden_seconds"]["mean"]}
    found.setdefault((name, overlap), []).append([1e3 * value / one["iterations"] for value in row.values()])
table = csv.writer(sys.stdout, lineterminator="\n")
table.writerow(["entrant", "overlap", "milliseconds", "exposed", "hidden", "share_exposed"])
for key, runs in found.items():
    whole, exposed, hidden = (statistics.median(column) for column in zip(*runs))
    table.writerow([*key, *(f"{value:.2f}" for value in (whole, exposed, hidden)), f"{exposed / whole:.3f}"])
' | tee network/overlap.csv
