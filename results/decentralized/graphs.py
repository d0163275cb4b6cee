"""Rounds and bits to a relative objective error of 1e-4 on graphs of ten workers: python graphs.py OUT JOB...

In this process, since the iterates do not depend on the number of ranks. A graph is a chain, a ring, a star or a random
bipartite graph with 15 edges. The rate or rho of each solver on each graph is chosen by 20 trials with seed 0; then it
runs with seeds 1 to 5, of the samples' partition and of the random graph. The best rates lie at the edge of what
converges, so runs use 0.9 of them, scaled to the largest curvature of a worker's f_n, which differs between partitions.

OUT/trials.csv: every trial. OUT/runs.csv: every run. OUT/metrics.csv: its errors by iteration. OUT/environment.json. A
call that was stopped continues. graphs_report.py makes tables and figures.
"""

import csv
import itertools
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

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
MOST, SAFE = 4000, 0.9  # iterations; of the best rate
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

    least: of the sum of all f_n for one model. curvature: the largest of its mean over the samples; steepest: of the
    mean of a worker. X, Y: the samples of each worker, float64; half: of squared losses.
    """

    name: str
    problem: object
    least: float
    curvature: float
    steepest: float
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
    world = World.alone()
    made = read(Path(job), [f"data.split_seed={seed}", f"solver.workers={WORKERS}"], world)
    problem = set_up(made, world).problem
    gd = SOLVERS["gd"](workers=WORKERS, rate="lipschitz")
    state = gd.blank(problem, world)
    gd.prepare(state, problem, world)
    tiles = [t for _, t in problem.tiles]
    X, Y = ([np.asarray(a[:, t], np.float64) for t in tiles] for a in (problem.x, problem.y))
    half = 0.5 if problem.loss.name == "squared" else 1.0
    bend = {"squared": 1.0, "cross-entropy": 0.5}[problem.loss.name]
    steepest = max(bend * np.linalg.eigvalsh(x @ x.T)[-1] for x in X) * WORKERS / problem.total
    return Posed(Path(job).stem, problem, state.work.optimum.least, 1 / state.work.rate, steepest, X, Y, half)


def solver_of(one, graph, name, value, seed):
    """The solver of this name with this rate or rho."""
    options = {"bits": BITS[one.problem.loss.name]} if name == "qgadmm" else {}
    options |= {"optimum": False} if KEYS[name] == "rate" else {}
    topology = random_edges(seed) if graph == "random" else graph
    return SOLVERS[name](workers=WORKERS, topology=topology, **{KEYS[name]: float(value)}, **options)


def value_of(key, factor, one, first):
    """rho or rate from its factor; first: the problem with seed 0, whose trials chose it."""
    if key == "rho":
        return factor * one.curvature * one.problem.total / WORKERS
    return factor / first.curvature * (SAFE * first.steepest / one.steepest if one is not first else 1.0)


def tuned(one, graph, name):
    """(factor, reached, iterations, error) of every trial, with seed 0. A trial ends where it lost."""
    tried = {}

    def attempt(factor):
        best = tried[chosen(tried)] if tried else []
        most = best[-1]["iteration"] if best and reached(best[-1]) else MOST
        solver = solver_of(one, graph, name, value_of(KEYS[name], factor, one, one), 0)
        tried[factor] = one.run(solver, most, best)

    def chosen(tried):
        return best_of([ended(factor, rows) for factor, rows in tried.items()])

    for factor in COARSE:
        attempt(factor)
    for factor in [chosen(tried) * near for near in FINE]:
        attempt(factor)
    return [ended(factor, rows) for factor, rows in tried.items()]


def ended(factor, rows):
    """A trial: where it ended."""
    last = rows[-1]
    return {"factor": factor, "reached": reached(last), "iterations": last["iteration"], "error": last["error"]}


def best_of(trials):
    """The factor with the fewest iterations; if none reached the target, the one with the least error at its end."""
    there = [trial for trial in trials if trial["reached"]]
    return min(there or trials, key=lambda trial: trial["iterations" if there else "error"])["factor"]


class Kept:
    """The rows of a table so far; a file that grows."""

    def __init__(self, path, heads):
        self.path, self.heads = path, heads
        if not path.exists():
            self.write([dict(zip(heads, heads, strict=True))])

    def write(self, rows):
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.heads, lineterminator="\n").writerows(rows)

    def of(self, *label):
        """The rows that begin with this label."""
        with open(self.path, newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if tuple(row.values())[: len(label)] == label]


def measured(out, job):
    """What is not there yet of a job."""
    trials = Kept(out / "trials.csv", (*LABELS[:3], "factor", "reached", "iterations", "error"))
    runs = Kept(out / "runs.csv", (*LABELS, "key", "value", "reached", "iterations", "rounds", "bits", "error"))
    metrics = Kept(out / "metrics.csv", (*LABELS, "iteration", "error", "apart", "rounds", "bits"))
    problems = {seed: posed(job, seed) for seed in (0, *SEEDS)}
    for graph, name in itertools.product(GRAPHS, KEYS):
        label = job.stem, graph, name
        if not trials.of(*label):
            named = dict(zip(LABELS, label, strict=False))
            trials.write([named | trial for trial in tuned(problems[0], graph, name)])
        found = [
            {"factor": float(row["factor"]), "reached": row["reached"] == "True"}
            | {"iterations": int(row["iterations"]), "error": float(row["error"])}
            for row in trials.of(*label)
        ]
        for seed in SEEDS:
            if not runs.of(*label, str(seed)):
                value = value_of(KEYS[name], best_of(found), problems[seed], problems[0])
                rows = problems[seed].run(solver_of(problems[seed], graph, name, value, seed), MOST)
                last, named = rows[-1], dict(zip(LABELS, (*label, seed), strict=True))
                metrics.write([named | row for row in thinned(rows)])
                costs = {"iterations": last["iteration"], "rounds": last["rounds"], "bits": last["bits"]}
                runs.write([named | {"key": KEYS[name], "value": f"{value:.6g}", "reached": reached(last)} | costs
                            | {"error": last["error"]}])  # fmt: skip
        print(*label, *(f"{row['iterations']}{'' if row['reached'] == 'True' else '-'}" for row in runs.of(*label)))


def thinned(rows, most=40):
    """At most about so many rows, evenly in the logarithm of the iterations, the last one among them."""
    chosen = np.unique(np.round(np.geomspace(1, len(rows), most)).astype(int)) - 1
    return [rows[k] for k in chosen]


def main():
    out, *jobs = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    (out / "environment.json").write_text(json.dumps(environment(World.alone(), 1), indent=2) + "\n", encoding="utf-8")
    with threadpool_limits(1):
        for job in jobs:
            measured(out, job)


if __name__ == "__main__":
    main()
