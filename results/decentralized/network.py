"""Test accuracy by rounds and bits of the runs NAME-SEED in the folders given: python network.py OUT FOLDER...

OUT/metrics.csv: every measured iteration. OUT/table.csv, OUT/table.md: medians and ranges over the seeds.
OUT/figure.png, OUT/environment.json, the last run's. With FOLDERs NAME-RATE and OUT a .csv, that gets the last accuracy
of each. Needs matplotlib and an interpreter with hpcadmm.
"""

import csv
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from hpcadmm import plotting

TARGETS = (0.9, 0.95, 0.97)
COSTS = {"rounds": "rounds", "Mbit": "payload_bits"}


def rows_of(folder):
    """The measured iterations of a run."""
    name, _, seed = folder.name.rpartition("-")
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row.get("test_accuracy") is not None:
            costs = {"rounds": row["rounds"], "Mbit": row["payload_bits"] / 1e6}
            yield {"entrant": name, "seed": seed, "iteration": row["iteration"], **costs, "test": row["test_accuracy"]}


def middle(values):
    """Median and range."""
    ends = min(values), max(values)
    text = f"{median(values):.4g}"
    return text if ends[0] == ends[1] else f"{text} ({ends[0]:.4g}-{ends[1]:.4g})"


def line(name, runs):
    """A row of the table: the last accuracy, the best, and the costs of the first row at each target."""
    found = {"entrant": name, "seeds": len(runs), "iterations": middle([rows[-1]["iteration"] for rows in runs])}
    for key, of in (("test after, %", lambda rows: rows[-1]["test"]), ("best, %", best)):
        found[key] = middle([100 * of(rows) for rows in runs])
    for target in TARGETS:
        first = [next((row for row in rows if row["test"] >= target), None) for rows in runs]
        for cost in COSTS:
            there = [row[cost] for row in first if row]
            full = len(there) == len(runs)
            found[f"{cost} to {100 * target:.0f} %"] = middle(there) if full else f"{len(there)} of {len(runs)}"
    return found


def best(rows):
    return max(row["test"] for row in rows)


def drawn(runs):
    """The median accuracy of the seeds against rounds and bits."""
    looks = dict(zip(runs, plotting.styles(list(runs)), strict=True))
    figure, grid = plotting.panels(1, len(COSTS), 2.4, [plotting.entry(name, **looks[name]) for name in runs])
    for place, cost in zip(grid.flat, COSTS, strict=True):
        for name, of_seed in runs.items():
            points = list(zip(*of_seed, strict=False))
            x = [some[0][cost] for some in points]
            plotting.curve(place, x, [100 * median(row["test"] for row in some) for some in points], **looks[name])
        plotting.log_axis(place, "x", [row[cost] for some in runs.values() for rows in some for row in rows])
        place.set_ylim(80, 99)
        place.set_xlabel(cost)
    grid.flat[0].set_ylabel("test accuracy (%)")
    return figure


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main():
    out, *folders = map(Path, sys.argv[1:])
    if out.suffix == ".csv":
        last = [list(rows_of(folder))[-1] for folder in sorted(folders)]
        write(out, [{"rate" if key == "seed" else key: value for key, value in row.items()} for row in last])
        return
    out.mkdir(parents=True, exist_ok=True)
    runs = defaultdict(list)
    for folder in sorted(folders):
        rows = [row for row in rows_of(folder) if row["iteration"]]
        runs[rows[0]["entrant"]].append(rows)
    every = [row for some in runs.values() for rows in some for row in rows]
    table = [line(name, some) for name, some in runs.items()]
    write(out / "metrics.csv", every)
    write(out / "table.csv", table)
    heads = list(table[0])
    lines = [heads, ["---"] * len(heads), *([str(row[key]) for key in heads] for row in table)]
    (out / "table.md").write_text("".join(f"| {' | '.join(cells)} |\n" for cells in lines), encoding="utf-8")
    plotting.picture(out / "figure.png", lambda: drawn(runs), print)
    shutil.copy(folders[-1] / "environment.json", out)
    print((out / "table.md").read_text())


if __name__ == "__main__":
    main()
