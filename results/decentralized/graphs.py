"""Rounds and bits to a relative objective error of 1e-4 on graphs of ten workers: python graphs.py OUT JOB...

In this process, since the iterates do not depend on the number of ranks. A graph is a chain, a ring, a star or a random
bipartite graph with 15 edges. The rate or rho of each solver on each graph is chosen by 20 trials with seed 0; then it
runs with seeds 1 to 5, of the samples' partition and of the random graph.

OUT/trials.csv: every trial. OUT/runs.csv: every run. OUT/metrics.csv: its errors by iteration. OUT/table.csv,
OUT/table.md: medians and ranges over the seeds. OUT/JOB.png, OUT/environment.json. Needs matplotlib.
"""

import csv
import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from hpcadmm import plotting
from hpcadmm.comm.world import World
from hpcadmm.job.job import read
from hpcadmm.model.vector import flat
from hpcadmm.solvers import SOLVERS
from hpcadmm.storage.environment import environment
from hpcadmm.training.setup import set_up

TARGET, WORKERS, EDGES, SEEDS = 1e-4, 10, 15, range(1, 6)
KEYS = {"gadmm": "rho", "qgadmm": "rho", "dpsgd": "rate", "diging": "rate", "extra": "rate"}
GRAPHS = ("chain", "ring", "star", "random")
BITS = {"squared": 2, "cross-entropy": 3}  # of qgadmm: the fewest with which it converges
COARSE = [2.0**j for j in sorted(range(-9, 3), key=lambda j: abs(j + 2))]  # times the unit, from the middle
FINE = [2.0 ** (j / 5) for j in range(-4, 5) if j]  # times the best of them
MOST = 4000  # iterations
COSTS = {"rounds": "rounds", "bits": "payload_bits"}
LABELS = ("job", "graph", "solver", "seed")


def random_edges(seed):
    """A connected bipartite graph: workers join one of the other group, one by one; then edges are drawn."""
    random = np.random.default_rng(seed)
    groups = np.split(random.permutation(WORKERS), 2)
    edges, cross = {(groups[0][0], groups[1][0])}, [(i, j) for i in groups[0] for j in groups[1]]
    for k in range(1, WORKERS // 2):
        edges |= {(groups[0][k], random.choice(groups[1][:k])), (random.choice(groups[0][: k + 1]), groups[1][k])}
    for edge in random.permutation([edge for edge in cross if edge not in edges])[: EDGES - len(edges)].tolist():
        edges.add(tuple(edge))
    return sorted([int(i), int(j)] for i, j in edges)


@dataclass(frozen=True)
class Posed:
    """A job's problem with a seed of the partition, in this process.

    least: of the sum of all f_n for one model. unit: the largest curvature of its mean over the samples. X, Y: the
    samples of each worker, float64; half: of squared losses.
    """

    name: str
    problem: object
    least: float
    unit: float
    X: list
    Y: list
    half: float

    def run(self, solver, most, other=()):
        """The measured rows until the first at the target, of at most so many iterations; until the error stays, or at
        half of `most` is more than ten times that of the rows of another run that reached the target."""
        p, world, rows = self.problem, World.alone(), []
        s = solver.blank(p, world)
        solver.start(s, p, world)
        solver.prepare(s, p, world)
        for k in range(1, most + 1):
            solver.step(s, p, world)
            if k % max(1, k // 50) == 0:
                rows.append({"iteration": k, **self.measured(s)})
                if reached(rows[-1]) or not rows[-1]["error"] < 1e3 or stays(rows):
                    break
                if other and reached(other[-1]) and lost(rows, other):
                    break
        costs = solver.measure(s, p, world)  # each iteration has the same
        for row in rows:
            row |= {
                of: costs[key] * row["iteration"] // k for of, key in (("rounds", "rounds"), ("bits", "payload_bits"))
            }
        return rows

    def measured(self, s):
        """The larger relative error of the objective, at the workers or at their mean, and how far they are apart."""
        theta = np.array(s.theta if hasattr(s, "theta") else [flat(s.W)] * WORKERS, np.float64)
        middle = theta.mean(axis=0)
        each, one = (sum(map(self.value, models, range(WORKERS))) for models in (theta, [middle] * WORKERS))
        apart = np.linalg.norm(theta - middle) / (np.linalg.norm(theta) or 1.0)
        return {"error": max(abs(each - self.least), one - self.least) / self.least, "apart": float(apart)}

    def value(self, theta, n):
        """f_n(theta), float64."""
        W = theta.reshape(self.problem.network.shape(1), order="F")
        return self.half * self.problem.loss.value(W @ self.X[n], self.Y[n])


def reached(row):
    """Are the objective at the workers and at their mean near the optimum, and do the workers agree?"""
    return row["error"] <= TARGET and row["apart"] <= TARGET**0.5


def stays(rows):
    """Has the error fallen by less than a twentieth since half of the iterations, and those are many?"""
    k = rows[-1]["iteration"]
    return k >= 400 and rows[-1]["error"] > 0.95 * at(rows, k / 2)


def lost(rows, other):
    """Is the error, in the second half, more than ten times that of another run at this iteration?"""
    k = rows[-1]["iteration"]
    return 2 * k >= other[-1]["iteration"] and rows[-1]["error"] > 10 * at(other, k)


def at(rows, k):
    """The error at iteration k or soon after."""
    return next(row["error"] for row in rows if row["iteration"] >= k)


def posed(job, seed):
    """The problem of a job file with this partition of its samples."""
    made, world = read(Path(job), [f"data.split_seed={seed}"], World.alone()), World.alone()
    problem = set_up(made, world).problem
    gd = SOLVERS["gd"](workers=WORKERS, rate="lipschitz")
    state = gd.blank(problem, world)
    gd.prepare(state, problem, world)
    tiles = [t for _, t in problem.tiles]
    X, Y = ([np.asarray(a[:, t], np.float64) for t in tiles] for a in (problem.x, problem.y))
    half = 0.5 if problem.loss.name == "squared" else 1.0
    return Posed(Path(job).stem, problem, state.work.optimum.least, 1 / state.work.rate, X, Y, half)


def solver_of(one, graph, name, value, seed):
    """The solver of this name with this rate or rho; `value` is relative to the unit of the problem."""
    key = KEYS[name]
    options = {key: float(value * one.problem.total / WORKERS * one.unit if key == "rho" else value / one.unit)}
    options |= {"bits": BITS[one.problem.loss.name]} if name == "qgadmm" else {}
    options |= {} if key == "rho" else {"optimum": False}
    topology = random_edges(seed) if graph == "random" else graph
    return SOLVERS[name](workers=WORKERS, topology=topology, **options)


def tuned(one, graph, name):
    """The rows of every value that was tried with seed 0. A trial ends where it lost."""
    tried = {}

    def attempt(value):
        best = tried[best_of(tried)] if tried else []
        most = best[-1]["iteration"] if best and reached(best[-1]) else MOST
        tried[value] = one.run(solver_of(one, graph, name, value, 0), most, best)

    for value in COARSE:
        attempt(value)
    for value in [best_of(tried) * near for near in FINE]:
        attempt(value)
    return tried


def best_of(tried):
    """The value with the fewest iterations; if none reached the target, the one with the least error at its end."""
    done = {value: rows[-1]["iteration"] for value, rows in tried.items() if reached(rows[-1])}
    return min(done, key=done.get) if done else min(tried, key=lambda value: tried[value][-1]["error"])


def measured(job):
    """The rows of trials.csv, runs.csv and metrics.csv of a job."""
    trials, runs, metrics, problems = [], [], [], {seed: posed(job, seed) for seed in (0, *SEEDS)}
    for graph in GRAPHS:
        for name, key in KEYS.items():
            tried = tuned(problems[0], graph, name)
            best = best_of(tried)
            label = {"job": problems[0].name, "graph": graph, "solver": name}
            trials += [label | {"value": value, **trial(rows)} for value, rows in tried.items()]
            for seed in SEEDS:
                solver = solver_of(problems[seed], graph, name, best, seed)
                rows = problems[seed].run(solver, MOST)
                last = rows[-1]
                label |= {"seed": seed, "rate": "", "rho": "", key: f"{getattr(solver, key):.6g}"}
                costs = {"iterations": last["iteration"], "rounds": last["rounds"], "bits": last["bits"]}
                runs.append({**label, "reached": reached(last), **costs, "error": last["error"]})
                metrics += [{key: label[key] for key in LABELS} | row for row in thinned(rows)]
            print(runs[-1], flush=True)
    return trials, runs, metrics


def trial(rows):
    """Of trials.csv: where it ended."""
    return {"reached": reached(rows[-1]), "iterations": rows[-1]["iteration"], "error": rows[-1]["error"]}


def thinned(rows, most=40):
    """At most about so many rows, evenly in the logarithm of the iterations, the last one among them."""
    chosen = np.unique(np.round(np.geomspace(1, len(rows), most)).astype(int)) - 1
    return [rows[k] for k in chosen]


def summarised(runs):
    """The rows of table.csv: medians, least and largest over the seeds that reached the target."""
    groups = defaultdict(list)
    for run in runs:
        groups[run["job"], run["graph"], run["solver"]].append(run)
    found = []
    for (job, graph, solver), some in groups.items():
        row = {"job": job, "graph": graph, "solver": solver, "reached": sum(run["reached"] for run in some)}
        for key in ("iterations", "rounds", "bits"):
            values = [run[key] for run in some if run["reached"]]
            row |= {key: median(values), f"{key}_least": min(values), f"{key}_most": max(values)} if values else {}
        found.append(row)
    return found


def cell(row, key, factor=1.0):
    """A median and its range."""
    if row.get("reached", 0) < len(SEEDS):
        return f"{row.get('reached', 0)} of {len(SEEDS)}"
    middle, *ends = (f"{row[key + end] * factor:.4g}" for end in ("", "_least", "_most"))
    return middle if ends[0] == ends[1] else f"{middle} ({ends[0]}-{ends[1]})"


def markdown(table):
    """A table for each job: rounds and kbit, a row for each graph, a column for each solver."""
    text = ""
    for job in dict.fromkeys(row["job"] for row in table):
        text += f"| {job} | {' | '.join(KEYS)} |\n|---|{'---|' * len(KEYS)}\n"
        for graph in GRAPHS:
            some = {row["solver"]: row for row in table if (row["job"], row["graph"]) == (job, graph)}
            for what, key, factor in (("rounds", "rounds", 1.0), ("kbit", "bits", 1e-3)):
                text += f"| {graph}, {what} | {' | '.join(cell(some[name], key, factor) for name in KEYS)} |\n"
        text += "\n"
    return text


def drawn(metrics):
    """Errors of the first seed against rounds and bits, a panel for each graph."""
    looks = dict(zip(KEYS, plotting.styles(list(KEYS)), strict=True))
    handles = [plotting.entry(name, **looks[name]) for name in KEYS]
    figure, grid = plotting.panels(2, len(GRAPHS), 3.6, handles)
    for line, key in zip(grid, ("rounds", "bits"), strict=True):
        for place, graph in zip(line, GRAPHS, strict=True):
            some = [row for row in metrics if row["graph"] == graph and row["seed"] == SEEDS[0]]
            for name, look in looks.items():
                rows = [row for row in some if row["solver"] == name]
                plotting.curve(place, [row[key] for row in rows], [row["error"] for row in rows], **look)
            plotting.log_axis(place, "x", [row[key] for row in some])
            plotting.log_axis(place, "y", [row["error"] for row in some])
            place.axhline(TARGET, **plotting.TARGET)
            place.set_xlabel(f"{key}, {graph}")
        line[0].set_ylabel("relative objective error")
    return figure


def save(path, rows):
    """Write a table of dicts with the keys of the longest."""
    heads = max(rows, key=len)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(heads), lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def write(out, trials, runs, metrics):
    """All files but the figures."""
    table = summarised(runs)
    for name, rows in (("trials", trials), ("runs", runs), ("metrics", metrics), ("table", table)):
        save(out / f"{name}.csv", rows)
    (out / "table.md").write_text(markdown(table), encoding="utf-8")
    (out / "environment.json").write_text(json.dumps(environment(World.alone(), 1), indent=2) + "\n", encoding="utf-8")


def main():
    out, *jobs = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    found = [], [], []
    for job in jobs:
        with threadpool_limits(1):
            every = measured(job)
        for rows, more in zip(found, every, strict=True):
            rows.extend(more)
        plotting.picture(out / f"{job.stem}.png", lambda metrics=every[2]: drawn(metrics), print)
        write(out, *found)
    print((out / "table.md").read_text())


if __name__ == "__main__":
    main()
