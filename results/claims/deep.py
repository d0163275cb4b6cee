"""Networks by depth, by stages and by their start: python deep.py PART OUT [TABLE.KEY=VALUE...], PART one of

    depth     1, 2, 4, 6 and 9 hidden layers: pdadmm and adam
    stages    nine hidden layers of pdadmm at once, and added step by step
    start     nine hidden layers of sigmoid or relu that start as in He et al. or at N(0, 0.1): the norm of the
              gradient of each layer; gd, adam and pdadmm

196-100-...-100-10 on images of 14 x 14 pixels. Of a case with several settings the one with the best accuracy on a
fifth of the training part, which is held out, after as many iterations with seed 0, runs with seeds 1 to 5.
OUT-trials.csv and OUT-runs.csv: each of these runs; OUT.csv: medians and ranges. A call that was stopped continues.
Overrides are for every run.
"""

import sys
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
from tables import rows, write

import hpcadmm
from hpcadmm.comm.world import World
from hpcadmm.job.job import read
from hpcadmm.solvers.shared.start import first_layer

JOBS = Path(__file__).parent.parent.parent / "jobs"
SEEDS = range(1, 6)
DATA = ("data.downsample=2", "data.first=5000", "evaluate.every=0", "precision=float32")
PD = ("pdadmm-2020/accuracy-pdadmm.toml",)
ADAM = ("dladmm-2019/accuracy-adam.toml", "stop.iterations=790")
GD = ("dladmm-2019/accuracy-gd.toml", "stop.iterations=100")
NUS = [(f"solver.nu={nu}", f"solver.rho={5 * nu:.6g}", f"solver.ridge={ridge}")
       for nu, ridge in ((0.03, 1e-3), (0.3, 1e-3), (3.0, 1e-3), (0.3, 1e-2))]  # fmt: skip
RATES = [(f"solver.rate={rate}",) for rate in (1e-3, 2e-3, 4e-3, 8e-3)]
STEPS = [(f"solver.rate={rate}",) for rate in (0.03, 0.1, 0.3, 1.0, 3.0)]


def hidden(layers):
    return f"network.hidden={[100] * layers}"


class Begin(hpcadmm.Callback):
    """Begins with weights drawn as pdadmm draws them, and keeps them."""

    def __init__(self, init):
        self.init = init

    def start(self, run):
        for l in range(1, run.problem.network.depth + 1):
            run.state.W[l][...] = first_layer(run.problem, self.init, l)
        self.W = [W.copy() for W in run.state.W[1:]]


def trained(path, labels, job, sets, start=None):
    """The row of a run in a table: its test accuracy and seconds; one that diverges has the accuracy of guessing."""
    for row in rows(path):
        if all(row[key] == str(value) for key, value in labels.items()):
            return row
    made = read(JOBS / job, [*DATA, *sets], World.alone())
    callbacks = [Begin(start)] if start and made.solver.name != "pdadmm" else []
    try:
        summary = hpcadmm.train(made, callbacks=callbacks).summary
        found = f"{100 * summary['test_accuracy']:.2f}", f"{summary['seconds']:.3g}"
    except hpcadmm.Diverged:
        found = "10.00", "0"
    row = {key: str(value) for key, value in labels.items()} | dict(zip(("test", "seconds"), found, strict=True))
    write(path, [row], more=True)
    return row


def case(out, labels, base, settings, sets, start=None):
    """Choose the setting, run the seeds; the line of the table."""
    job, *own = base
    own, chosen = [*own, *sets], settings[0]
    if len(settings) > 1:
        trials = [
            trained(f"{out}-trials.csv", labels | {"setting": " ".join(one)}, job,
                    [*own, *one, "seed=0", "data.validation=0.2"], start) for one in settings
        ]  # fmt: skip
        chosen = max(zip(trials, settings, strict=True), key=lambda pair: float(pair[0]["test"]))[1]
    runs = [
        trained(f"{out}-runs.csv", labels | {"setting": " ".join(chosen), "seed": seed}, job,
                [*own, *chosen, f"seed={seed}"], start) for seed in SEEDS
    ]  # fmt: skip
    tests, seconds = ([float(run[key]) for run in runs] for key in ("test", "seconds"))
    line = labels | {"setting": " ".join(chosen), "median": median(tests), "lowest": min(tests), "highest": max(tests)}
    line["seconds"] = median(seconds)
    print(*line.values(), flush=True)
    return line


def depth(out, sets):
    both = product((1, 2, 4, 6, 9), (("pdadmm", PD, NUS), ("adam", ADAM, RATES)))
    for layers, (solver, base, settings) in both:
        yield case(out, {"hidden_layers": layers, "solver": solver}, base, settings, [hidden(layers), *sets])


def stages(out, sets):
    plans = {"at once": "[]", "3, 6, 10": grown((3, 15), (6, 15), (10, 30)), "2, 10": grown((2, 30), (10, 30))}
    for name, plan in plans.items():
        yield case(out, {"layers": name}, PD, [("solver.nu=0.1",)], [hidden(9), f"solver.stages={plan}", *sets])


def grown(*pairs):
    return "[" + ", ".join(f"{{layers = {layers}, iterations = {count}}}" for layers, count in pairs) + "]"


def start(out, sets):
    norms = []
    for activation, init in product(("sigmoid", "relu"), ("he", "normal")):
        labels, same = {"activation": activation, "start": init}, [hidden(9), f"network.activation={activation}", *sets]
        for seed in SEEDS:
            found = {f"layer {l}": norm for l, norm in enumerate(gradients(same, init, seed), start=1)}
            norms.append(labels | {"seed": seed} | found)
    write(f"{out}-gradients.csv", norms)
    for activation, init in product(("relu", "sigmoid"), ("he", "normal")):
        labels, same = {"activation": activation, "start": init}, [hidden(9), f"network.activation={activation}", *sets]
        for solver, base, settings in (
            ("gd, rate 0.01", GD, [("solver.rate=0.01",)]),
            ("gd, tuned", GD, STEPS),
            ("adam", ADAM, RATES),
            ("pdadmm", (*PD, f"solver.init={init}"), NUS),
        ):
            yield case(out, labels | {"solver": solver}, base, settings, same, init)


def gradients(sets, init, seed):
    """|dW_l| / |W_l| of the mean loss, without biases, at the start: from a step of gradient descent at rate 1."""
    one, exact = Begin(init), ["solver.rate=1.0", "stop.iterations=1", "precision=float64", f"seed={seed}"]
    model = hpcadmm.train(read(JOBS / GD[0], [*DATA, *sets, *exact], World.alone()), callbacks=[one])
    return [f"{np.linalg.norm(A[:, :-1] - W) / np.linalg.norm(A[:, :-1]):.3g}"
            for A, (W, _) in zip(one.W, model.weights, strict=True)]  # fmt: skip


def main():
    part, out, *sets = sys.argv[1:]
    write(f"{out}.csv", list({"depth": depth, "stages": stages, "start": start}[part](out, sets)))


if __name__ == "__main__":
    main()
