"""Solvers with options that take other kernels or other kinds of iterations than their defaults."""

from dataclasses import replace
from typing import Any

from hpcadmm.solvers import SOLVERS
from hpcadmm.solvers.pdadmm.start import Stage
from hpcadmm.solvers.workers.neighbours import Censor
from hpcadmm.testing.problems import shared

CHANGES: dict[str, list[dict[str, Any]]] = {
    "taylor": [{"warm": 0}, {"warm": 40, "init": "gaussian"}, {"sums": "plain", "decay": 0.1}],
    "dladmm": [{"update": "backtracking", "penalty": "l1", "decay": 0.1}, {"schedule": "adaptive"}, {"sums": "plain"}],
    "pdadmm": [
        {"update": "exact", "pull": "proximal", "decay": 0.1},
        {"update": "exact", "wire": 8},
        {"update": "backtracking", "penalty": "l1", "decay": 0.1, "wire": 16, "schedule": "balanced", "period": 2},
        {"wire": "float16", "schedule": "every", "period": 5, "init": "normal"},
        {"wire": "float32", "sums": "plain"},
        {"stages": [Stage(2, 4), Stage(3, 100)], "wire": 8},
    ],
    "gadmm": [
        {"local": "adam", "periods": [1, 2, 3]},
        {"censor": Censor(1e3, 0.5), "wire": "float32"},
        {"topology": "star", "local": "adam"},
    ],
    "qgadmm": [{"adaptive": "adaptive"}, {"censor": Censor(1e3, 0.5)}, {"bits": 32, "periods": [2, 1, 1]}],
    "mpadmm": [
        {"average": 0.9, "decay": 0.1, "sums": 8},
        {"batch": 0, "inverses": "dealt"},
        {"local_steps": 2, "local_after": 1, "local_batch": 20, "workers": 6, "batch": 40},
        {"warm": 4, "refresh": 3, "schedule": "cosine", "batch": 40, "late": 1},
        {"sums": "plain"},
    ],
    "gd": [{"decay": 0.1}, {"optimum": False}],
    "qgd": [{"adaptive": "adaptive"}, {"batch": 20}],
    "dpsgd": [{"batch": 20, "topology": "complete", "workers": 6}],
    "diging": [{"batch": 20, "topology": "ring", "workers": 7}],
    "extra": [{"optimum": False}],
    "sgd": [{"momentum": 0.9, "nesterov": True, "decay": 0.1, "batch": 40}, {"batch": 0}],
    "adam": [{"sums": "bfloat16", "max_norm": 0.5, "average": 0.9, "schedule": "one-cycle", "warm_up": 1.0}],
    "muon": [{"ends": "muon", "nesterov": False, "decay": 0.1, "batch": 40}],
    "soap": [{"refresh": 1, "decay": 0.1}, {"largest": 6, "batch": 0}],
    "lbfgs": [{"restart": 3, "decay": 0.1}],
    "cg": [{"restart": 3}],
}


def variants() -> list[tuple[str, Any]]:
    """Every solver with its defaults, and the others; with a name for each."""
    found = [(name, shared(name)) for name in SOLVERS]
    for name, changes in CHANGES.items():
        for k, change in enumerate(changes, 1):
            found.append((f"{name}-{k}", replace(shared(name), **change)))
    return found
