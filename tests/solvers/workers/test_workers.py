"""All solvers with workers, with options that test_ranks.py leaves at their defaults: the same bits on any number of
ranks, also after a restart on another number."""

import numpy as np
import pytest

from hpcadmm.solvers import Consensus, Diging, DPsgd, Extra, Gadmm, Gd, QGd
from hpcadmm.testing.runs import assert_same_bits, resumed, run
from tests.helpers.decentral import EDGES, GRAPHS, HIDDEN, LAYERED, SHORT, TOLD

SQUARED, SOFTMAX = {"loss": "squared", "classes": 0, "hidden": ()}, {"loss": "cross-entropy", "classes": 3}
LINEAR = {**SOFTMAX, "hidden": ()}
DOUBLE = {**SOFTMAX, "hidden": HIDDEN}
NETWORK = {**DOUBLE, "dtype": np.float32}
CASES = {
    **{
        f"{way}-{topology}-{workers}": (cls(**own, workers=workers, topology=topology, rho=2.0), SQUARED)
        for way, (cls, own) in {"gadmm": (Gadmm, {}), **TOLD}.items()
        for topology, workers in (GRAPHS if way == "gadmm" else GRAPHS[::2])
    },
    **{f"softmax-{t}-{n}": (Gadmm(workers=n, topology=t, rho=2.0), LINEAR) for t, n in GRAPHS[::3]},
    **{f"network-{way}": (cls(**SHORT, **own), NETWORK) for way, (cls, own) in LAYERED.items()},
    **{f"network-{way}-float64": (LAYERED[way][0](**SHORT, **LAYERED[way][1]), DOUBLE) for way in ("whole", "all")},
    "float32-wire": (Gadmm(workers=7, topology="grid", wire="float32"), {**SQUARED, "dtype": np.float32}),
    "lipschitz": (Gd(workers=7, rate="lipschitz"), SQUARED),
    "lipschitz-softmax": (Gd(workers=7, rate="lipschitz"), {**LINEAR, "features": 2}),
    "decay": (Gd(workers=7, decay=0.1), {"spread": 6, "hidden": HIDDEN}),
    "qgd": (QGd(workers=7, bits=3), SQUARED),
    "qgd-network": (QGd(workers=7, bits=3), NETWORK),
    "qgd-adaptive": (QGd(workers=7, bits=2, adaptive="adaptive"), {**SQUARED, "dtype": np.float32}),
    "qgd-adaptive-network": (QGd(workers=7, bits=2, adaptive="adaptive"), DOUBLE),
    **{f"server-{one}": (Consensus(**SHORT, server=one), NETWORK) for one in ("admm", "average", "nesterov", "adam")},
    "server-shared": (Consensus(**SHORT, server="nesterov", participate=0.5, moments="shared"), NETWORK),
    "server-shared-admm": (Consensus(**SHORT, moments="shared"), DOUBLE),
    "server-mpadmm": (Consensus(**SHORT, local="mpadmm"), NETWORK),
    "server-drawn-mpadmm": (Consensus(**SHORT, local="mpadmm", server="average", participate=0.5), DOUBLE),
    "server-drawn": (Consensus(**SHORT, server="nesterov", participate=0.5), NETWORK),
    "server-drawn-admm": (Consensus(**SHORT, participate=0.5), DOUBLE),
    **{
        f"{cls.name}-{topology}-{workers}": (cls(workers=workers, topology=topology, batch=batch), options)
        for cls, topology, workers, batch, options in (
            (DPsgd, EDGES, 7, 6, SQUARED),
            (DPsgd, "complete", 5, 6, NETWORK),
            (Diging, "ring", 7, 0, SQUARED),
            (Diging, "complete", 5, 6, DOUBLE),
            (Extra, EDGES, 7, 0, SQUARED),
            (Extra, "star", 6, 6, NETWORK),
        )
    },
    "qgd-minibatches": (QGd(workers=7, bits=4, batch=6), NETWORK),
    "server-drawn-exact": (Consensus(workers=7, participate=0.5), SQUARED),
}
STEPS = 8


@pytest.mark.parametrize("name", CASES)
def test_ranks_agree_in_every_bit_also_after_a_restart_on_other_ranks(name):
    solver, options = CASES[name]
    options = {"samples": 101, **options}
    whole = run(1, solver, STEPS, **options)
    for before, after in ((1, solver.workers), (solver.workers, 2), (3, 1)):
        if max(before, after) <= solver.workers:
            saved, _ = run(before, solver, 3, **options)
            again = resumed(after, solver, saved, STEPS - 3, **options)
            assert_same_bits(again[0], whole[0])
            assert again[1] == whole[1]


def test_what_is_measured_does_not_change_by_a_restart():
    solver, options = CASES["decay"]
    saved, measured = run(1, solver, 5, **options)
    assert resumed(7, solver, saved, 0, **options)[1] == measured
