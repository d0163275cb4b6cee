"""Rounds and modelled energy on random chains of 50 workers: python chains.py OUT JOB.

A drop places the workers at random in a square of 250 m. The chain begins at the first worker and goes on to the
nearest that is not in it; the server is the worker nearest the middle. Each drop runs gadmm and qgadmm on its chain to
a relative error of 1e-4, as graphs.py does; gd and qgd run once, since they do not depend on it. Each has the rho or
rate that needs the fewest iterations on a drop that does not count.

The energy is modelled as in the authors' programs for Q-GADMM (IEEE TCOM 2020): to send b bits in a slot of tau = 1 ms
over a distance D with the bandwidth B takes tau D^2 eta B (2^(b / (tau B)) - 1), noise eta = 1e-6 W/Hz. A worker of a
chain reaches its farther neighbour; half of the workers share the bandwidth W at a time. All share W on the way to the
server, which then reaches the farthest of them with all of W; W = 10, 2, 1 MHz. A vector of gadmm and gd has 32 bits an
entry, one of qgadmm, and on the way up of qgd, 2, and 64 bits more.

OUT/drops.csv: rounds and joules of each drop, infinite where the error stays above 1e-4. OUT/trials.csv.
OUT/summary.csv, OUT/figure.png: medians and CDFs.
"""

import sys
from itertools import pairwise
from math import inf
from pathlib import Path
from statistics import median

import graphs
import numpy as np
from network import write
from threadpoolctl import threadpool_limits

from hpcadmm.solvers import SOLVERS

WORKERS, DROPS, SIDE, SLOT, NOISE, BITS, MOST = 50, 100, 250.0, 1e-3, 1e-6, 2, 4000
BANDS = {"10 MHz": 10e6, "2 MHz": 2e6, "1 MHz": 1e6}
RHOS, RATES = [200 * 2.0**j for j in range(7)], (1.0, 1.5, 1.8, 1.9, 1.95)  # rates over 1/L
graphs.WORKERS = WORKERS


def dropped(drop):
    """The distances of the workers (N, N), the chain, and the server."""
    place = np.random.default_rng(drop).uniform(0, SIDE, (WORKERS, 2))
    apart = np.linalg.norm(place[:, None] - place, axis=2)
    chain = [0]
    while len(chain) < WORKERS:
        chain.append(min(set(range(WORKERS)) - set(chain), key=lambda n: apart[chain[-1], n]))
    return apart, chain, int(np.linalg.norm(place - SIDE / 2, axis=1).argmin())


def energy(distance, bits, band):
    """Joules of a message."""
    return SLOT * distance**2 * NOISE * band * (2 ** (bits / (SLOT * band)) - 1)


def on_chain(apart, chain, bits, band):
    """Joules of an iteration on a chain."""
    links = [0.0, *(apart[n, m] for n, m in pairwise(chain)), 0.0]
    far = [max(pair) for pair in pairwise(links)]
    return sum(energy(distance, bits, band / (WORKERS / 2)) for distance in far)


def by_server(apart, server, bits, whole, band):
    """Joules of an iteration with a server, which answers with `whole` bits."""
    up = sum(energy(distance, bits, band / WORKERS) for distance in apart[server])
    return up + energy(apart[server].max(), whole, band)


def run(one, name, value, chain=()):
    """The last row of a run."""
    if name.endswith("gadmm"):
        options = {"rho": value, "topology": [[n, m] for n, m in pairwise(chain)]}
    else:
        options = {"rate": value / one.curvature, "optimum": False}
    options |= {"bits": BITS} if name.startswith("q") else {}
    return one.run(SOLVERS[name](workers=WORKERS, **options), MOST)[-1]


def best(one, name, chain):
    """The value with the fewest iterations to the target."""
    values, trials = (RHOS if name.endswith("gadmm") else RATES), []
    for value in values:
        row = run(one, name, value, chain)
        trials.append({"solver": name, "value": value, "reached": graphs.reached(row), "iterations": row["iteration"]})
    there = [trial for trial in trials if trial["reached"]]
    return min(there, key=lambda trial: trial["iterations"])["value"], trials


def measured(one, entries):
    """The lines of every table."""
    whole, codes = 32 * entries, BITS * entries + 64
    chain, found, trials, drops = dropped(0)[1], {}, [], []
    for name in ("gadmm", "qgadmm", "gd", "qgd"):
        found[name], tried = best(one, name, chain)
        trials += tried
    once = {name: run(one, name, found[name])["iteration"] for name in ("gd", "qgd")}
    for drop in range(1, DROPS + 1):
        apart, chain, server = dropped(drop)
        for name in found:
            bits, chained = (codes if name.startswith("q") else whole), name.endswith("gadmm")
            if chained:
                row = run(one, name, found[name], chain)
                iterations = row["iteration"] if graphs.reached(row) else inf
            else:
                iterations = once[name]
            line = {"drop": drop, "solver": name, "rounds": 2 * iterations}
            for label, band in BANDS.items():
                joules = on_chain(apart, chain, bits, band) if chained else by_server(apart, server, bits, whole, band)
                line[label] = f"{iterations * joules:.4g}"
            drops.append(line)
    return trials, drops


def summary(drops):
    """Medians and the range of the middle nine tenths, by solver."""
    for name in dict.fromkeys(row["solver"] for row in drops):
        rows = [row for row in drops if row["solver"] == name]
        line = {"solver": name, "reached": sum(row["rounds"] < inf for row in rows)}
        for key in ("rounds", *BANDS):
            values = [float(row[key]) for row in rows]
            low, high = np.quantile(values, (0.05, 0.95))
            line[key] = f"{median(values):.4g} ({low:.4g}-{high:.4g})"
        yield line


def draw(drops, path):
    """The CDFs."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(11, 3.2), layout="constrained")
    keys = {"rounds": "rounds", **{band: f"modelled energy at {band}, J" for band in BANDS}}
    for axes, (key, label) in zip(figure.subplots(1, 4, sharey=True), keys.items(), strict=True):
        for name, style in {"gadmm": "C0-", "qgadmm": "C1-", "gd": "C2--", "qgd": "C3--"}.items():
            values = sorted(float(row[key]) for row in drops if row["solver"] == name)
            axes.plot(values, np.arange(1, len(values) + 1) / len(values), style, label=name, drawstyle="steps-post")
        axes.set(xscale="log", xlabel=label)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    figure.axes[0].set(ylabel="share of drops")
    figure.axes[0].legend()
    figure.savefig(path, dpi=100)


def main():
    out, job = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1):
        one = graphs.posed(job, 0)
        trials, drops = measured(one, one.problem.network.n[0])
    write(out / "trials.csv", trials)
    write(out / "drops.csv", drops)
    write(out / "summary.csv", list(summary(drops)))
    draw(drops, out / "figure.png")


if __name__ == "__main__":
    main()
