"""A machine whose rates are known, and points that a model of it would have measured."""

from dataclasses import replace

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.performance.fabric import network
from hpcadmm.performance.machine import Machine, dense_terms, gemm_terms, value
from hpcadmm.performance.predict import NONE, estimate
from hpcadmm.performance.probe import SHAPES
from hpcadmm.scaling.folder import Measured

GEMM = [1e-6, 2e-10, 1e-10, 1e-10, 2e-11]
DENSE = {"cholesky": [1e-5, 0.0, 2e-11], "inverse": [1e-5, 0.0, 4e-11],
         "solve": [1e-6, 1e-10, 1e-10, 3e-11], "square": [1e-6, 1e-10, 1e-10, 4e-11]}  # fmt: skip
LATENCY, BYTE = 2e-6, 2e-10


def probed(ranks, slower=1.0):
    """What a probe of this machine would say."""
    names = [f"{a} {part}" for a in ACTIVATIONS for part in ("value", "derivative", "prox")]
    names += [f"{a} {part}" for a in LOSSES for part in ("prox", "gradient")] + ["fold", "fold far"]
    kernels = {name: slower * 1e-9 * (1 + len(name) % 3) for name in names}
    shapes = [(m, width, inner) for m, inner, width in SHAPES]
    rows = [[*shape, slower * value(GEMM, gemm_terms(*shape))] for shape in shapes]
    dense = {
        kind: [[n, r, slower * value(c, dense_terms(n, r))] for n in (50, 200, 800)
               for r in ([20, n] if len(c) == 4 else [0])]
        for kind, c in DENSE.items()
    }  # fmt: skip
    sizes = [[size, LATENCY + BYTE * size] for size in (8, 8192, 1 << 20)]
    return {
        "ranks": ranks,
        "gemm": {p: dict.fromkeys(("apply", "pull", "outer", "gram"), rows) for p in ("float32", "float64")},
        "kernels": dict.fromkeys(("float32", "float64"), kernels),
        "dense": dense,
        "passes": {"near": slower * 1e-11, "far": slower * 6e-11},
        "call": 1e-6,
        "messages": {"send": sizes, "sum": sizes} if ranks > 1 else {},
    }


MACHINE = Machine({"loads": []}, [probed(1), probed(2, 1.1)])


def job_of(case):
    """The tables of a job of this case."""
    solver = {key: getattr(case.solver, key) for key in ("batch", "grid", "update") if key in vars(case.solver)}
    solver = {key: v for key, v in solver.items() if v is not None}
    data = {"name": "synthetic", "features": case.n[0], "outputs": max(case.n[-1], 2), "samples": case.samples}
    return {
        "name": "made", "precision": case.precision, "data": data, "loss": {"name": case.loss},
        "network": {"hidden": list(case.n[1:-1]), "activation": case.activation},
        "solver": {"name": case.solver.name, **solver},
    }  # fmt: skip


def measured(case, ranks, factors=NONE, kind="strong", off=1.0):
    """A point as the model with these factors would have it, times `off`."""
    one = estimate(case, ranks, MACHINE, network(MACHINE))
    seconds = off * one.predict(factors).seconds
    return Measured(kind, case.solver.name, case.n, case.samples, ranks, 1, one.grid, case.precision, job_of(case),
                    (seconds, 1.1 * seconds, 0.9 * seconds))  # fmt: skip


def wider(case, k):
    """Another shape: other widths and samples."""
    n = (case.n[0], *(units * (1 + k) // 2 for units in case.n[1:-1]), case.n[-1])
    return replace(case, n=n, samples=case.samples * (1 + k % 3))
