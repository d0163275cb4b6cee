"""Suboptimality of the runs of a folder of `hpcadmm compare`, ours and rivals': python table.py FOLDER OUT [TARGET]

writes OUT/table.csv, OUT/table.md and OUT/figure.png. The minimum F* is the least objective of all runs. A run's
suboptimality is (F - F*) / |F*|; costs "to" are those of its first measured iteration at TARGET (default 1e-4). Seconds
are those of the solver and of what it prepares (sums and factors), on both sides. Runs of one job with several seeds:
medians. Needs an interpreter with hpcadmm and matplotlib.
"""

import csv
import json
import sys
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

import numpy as np

from hpcadmm import plotting
from hpcadmm.storage.weights import read_weights

AXES = {"seconds": "seconds", "rounds": "rounds (sums over the ranks)", "bytes": "bytes sent, all ranks"}
FLOOR = 1e-12  # suboptimality below it is not drawn


@dataclass(frozen=True)
class Run:
    """A run folder."""

    path: Path

    @cached_property
    def job(self):
        return tomllib.loads((self.path / "job.toml").read_text())

    @cached_property
    def summary(self):
        return json.loads((self.path / "summary.json").read_text())

    @cached_property
    def rows(self):
        """The measured iterations with `rounds`, and seconds that count what was prepared."""
        ranks, before = self.summary.get("ranks", 1), self.summary.get("prepare_seconds", 0.0)
        lines = (self.path / "metrics.jsonl").read_text().splitlines()
        rows = [row for row in map(json.loads, lines) if row.get("objective") is not None]
        return [row | {"rounds": row.get("messages", 0) / ranks, "seconds": row["seconds"] + before} for row in rows]

    @cached_property
    def support(self):
        """Where W is not 0, without the biases."""
        file = self.path / "weights.npy"
        W = np.load(file) if file.exists() else read_weights(self.path, print)[1][0]
        return (W[:, : W.shape[1] - self.job["network"]["bias"]] != 0).ravel()

    def at(self, objective):
        """The first row with at most this objective; {} if there is none."""
        return next((row for row in self.rows if row["objective"] <= objective), {})


def runs_of(folder):
    """The finished runs by the name of their job, in the order of the folder."""
    found = {}
    for path in sorted((folder / "runs").iterdir()):
        if (path / "summary.json").exists() and Run(path).rows:
            found.setdefault(Run(path).job["name"], []).append(Run(path))
    return found


def middle(values):
    """The median; None if a value is missing."""
    return None if any(value is None for value in values) else median(values)


def table(found, best, target):
    """A row for each job."""
    scale, first = abs(best.rows[-1]["objective"]), min(row["objective"] for row in best.rows)
    for name, runs in found.items():
        reached = [one.at(first + target * scale) for one in runs]
        last = [one.rows[-1] for one in runs]
        solver = runs[0].job["solver"]
        yield {
            "job": name,
            "solver": runs[0].summary.get("program") or solver["name"],
            "method": solver.get("method") or solver.get("adapt", ""),
            "rho": solver.get("rho"),
            **{f"{cost}_to_target": middle([row.get(cost) for row in reached])
               for cost in ("seconds", "iteration", "rounds", "bytes")},
            "iterations": middle([row["iteration"] for row in last]),
            "objective": middle([row["objective"] for row in last]),
            "suboptimality": middle([(row["objective"] - first) / scale for row in last]),
            "duality_gap": middle([row.get("duality_gap") for row in last]),
            "nonzeros": int(runs[0].support.sum()),
            "other_support": int((runs[0].support != best.support).sum()),
            "stopped": runs[0].summary.get("stop_reason"),
        }  # fmt: skip


def figure(found, best, target):
    """Suboptimality against seconds, rounds and bytes."""
    scale, first = abs(best.rows[-1]["objective"]), min(row["objective"] for row in best.rows)
    looks = dict(zip(found, plotting.styles(list(found)), strict=True))
    drawn, grid = plotting.panels(1, 3, 2.2, [plotting.entry(name, **looks[name]) for name in found], sharey=True)
    for place, (cost, label) in zip(grid.flat, AXES.items(), strict=True):
        for name, runs in found.items():
            points = [(row[cost], (row["objective"] - first) / scale) for row in runs[0].rows if row.get(cost)]
            points = [(x, y) for x, y in points if x > 0 and y > FLOOR]
            if points:
                plotting.curve(place, *zip(*points, strict=True), **looks[name])
        place.set_xscale("log")
        place.set_yscale("log")
        place.axhline(target, **plotting.TARGET)
        place.set_xlabel(label)
    grid.flat[0].set_ylabel("(F - F*) / |F*|")
    return drawn


def shown(value):
    """A cell of table.md."""
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def main():
    folder, out, target = Path(sys.argv[1]), Path(sys.argv[2]), float((*sys.argv[3:], 1e-4)[0])
    found = runs_of(folder)
    if not found:
        raise SystemExit(f"Error: {folder} holds no finished run")
    best = min((one for runs in found.values() for one in runs), key=lambda one: min(r["objective"] for r in one.rows))
    rows = list(table(found, best, target))
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "table.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
    lines += [" | ".join(map(shown, row.values())) for row in rows]
    (out / "table.md").write_text("".join(f"| {line} |\n" for line in lines), encoding="utf-8")
    plotting.picture(out / "figure.png", lambda: figure(found, best, target), print)
    print("".join(f"| {line} |\n" for line in lines))


if __name__ == "__main__":
    main()
