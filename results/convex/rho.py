"""Iterations to a suboptimality of 1e-4 where rho begins a thousand times too small to a thousand times too large, and
with the best fixed rho: python rho.py OUT [--solver NAME] [--most N] PROBLEM=JOB[:SETTING...]...

writes OUT.csv, with every run, and OUT.md. One rank in this process: the iterates are the same on any number of ranks.
The minimum is the least objective of N iterations of the rules. The best fixed rho is sought by half decades, then by
eighths. Settings have no colons of their own. Needs an interpreter with hpcadmm.
"""

import argparse
import csv
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from hpcadmm import __version__
from hpcadmm.comm.world import World
from hpcadmm.job.job import read
from hpcadmm.solvers.shared.convex.objective import objective
from hpcadmm.training.setup import set_up

TARGET = 1e-4
DECADES = [10 ** (k / 2) for k in sorted(range(-10, 7), key=lambda k: abs(k + 2))]  # halves, from the middle
NEAR = [10 ** (k / 8) for k in range(-3, 4) if k]  # times the best of them
AWAY = [10.0**k for k in range(-3, 4)]  # times the best fixed rho, where a rule begins
RULES = ("balanced", "spectral")
MUCH = 4  # times the fewest iterations, after which a fixed rho is given up


@dataclass(frozen=True)
class Posed:
    """A job's problem in this process."""

    job: object
    problem: object

    def objectives(self, most, goal=None, **options):
        """F after each of at most so many iterations with these options, until the first at the goal."""
        p, world, solver, found = self.problem, World.alone(), replace(self.job.solver, **options), []
        s = solver.blank(p, world)
        solver.start(s, p, world)
        solver.prepare(s, p, world)
        while len(found) < most and not (found and goal is not None and found[-1] <= goal):
            solver.step(s, p, world)
            found.append(objective(solver.weights(s, world)[1], p, world))
        return found

    def needed(self, most, goal, **options):
        """Iterations to the goal; None: more than `most`."""
        found = self.objectives(most, goal, **options)
        return len(found) if found[-1] <= goal else None


def posed(path, settings):
    """The problem of a job file."""
    setup = set_up(read(Path(path), settings, World.alone()), World.alone())
    return Posed(setup.job, setup.problem)


def soonest(needed):
    """The rho with the fewest iterations, the middle one of several."""
    least = min(count for count in needed.values() if count)
    best = sorted(rho for rho, count in needed.items() if count == least)
    return best[len(best) // 2]


def measured(one, most):
    """(rule, rho, iterations) of every run, the fixed ones first, and the best fixed rho; None: many more."""
    first = min(min(one.objectives(most, adapt=rule)) for rule in RULES)
    goal, fixed = first + TARGET * abs(first), {}

    def fix(rho):
        least = min((count for count in fixed.values() if count), default=most)
        fixed[rho] = one.needed(min(most, MUCH * least), goal, rho=rho, adapt="none")

    for rho in DECADES:
        fix(rho)
    for rho in [soonest(fixed) * near for near in NEAR]:
        fix(rho)
    best = soonest(fixed)
    rows = [("none", rho, fixed[rho]) for rho in sorted(fixed)]
    rows += [
        (rule, best * away, one.needed(most, goal, rho=best * away, adapt=rule)) for rule in RULES for away in AWAY
    ]
    return rows, best


def line(name, rows, best):
    """Of the table: the best fixed rho and its iterations, then the worst of each rule and how many times that is."""
    least = min(count for rule, _, count in rows if rule == "none" and count)
    cells = [name, f"{best:.3g}", str(least)]
    for rule in RULES:
        counts = [count for each, _, count in rows if each == rule]
        worst = None if None in counts else max(counts)
        cells += ["-", "-"] if worst is None else [str(worst), f"{worst / least:.2f}"]
    return cells


def save(out, said, every, lines):
    """Write OUT.csv and OUT.md."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with open(out.with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("problem", "adapt", "rho", "iterations"), *every])
    heads = ["problem", "best fixed rho", "iterations"]
    heads += [f"{rule}, {of}" for rule in RULES for of in ("worst", "ratio")]
    table = [[*heads, "job and settings"], ["---"] * (len(heads) + 1), *lines]
    rows = "".join(f"| {' | '.join(cells)} |\n" for cells in table)
    out.with_suffix(".md").write_text(f"{said}\n\n{rows}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--solver", default="unwrapped")
    parser.add_argument("--most", type=int, default=2000)
    parser.add_argument("problems", nargs="+")
    asked = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    said = (
        f"Iterations of `{asked.solver}` to {TARGET:g} of the minimum (relative), with rho 1e-3 to 1e3 times the best "
        f"fixed one; hpcadmm {__version__}, commit {commit.strip()}, at most {asked.most} iterations."
    )
    every, lines = [], []
    for problem in asked.problems:
        name, _, job = problem.partition("=")
        path, *settings = filter(None, job.split(":"))
        rows, best = measured(posed(path, [*settings, f"solver.name={asked.solver}"]), asked.most)
        every += [(name, *row) for row in rows]
        shown = [setting for setting in settings if not setting.startswith("data.path=")]
        lines.append([*line(name, rows, best), " ".join([Path(path).stem, *shown])])
        print(" | ".join(lines[-1]), flush=True)
        save(asked.out, said, every, lines)


if __name__ == "__main__":
    main()
