"""The coefficients of a linear model by the names of its features, in the units of the data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from hpcadmm.after.trained import Warn, Which, read
from hpcadmm.comm.world import World
from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.loaded import names_of
from hpcadmm.datasets.outputs import output_names
from hpcadmm.errors import UsageError, printable


def coefficients(run: Path, iteration: Which, *, world: World, warn: Warn) -> dict[str, Any]:
    """The model of a run, in the units of the data: z = intercept + sum of coefficient * feature for each output. In a
    regression z is the target, with the loss "poisson" the logarithm of the expected one. Raises UsageError for a
    network with hidden layers. Collective."""
    trained = read(run, iteration, world, warn)
    if trained.network.depth > 1:
        raise UsageError(f"{run}: has hidden layers; coefficients are those of a linear model, network.hidden = []")
    W, b = trained.layers()[0]
    W, b = trained.transform.original(W, np.zeros(len(W)) if b is None else b)
    names = names_of(trained.columns or Columns([]), trained.features)
    outputs = output_names(trained.columns, trained.names if trained.classes else [], len(W))
    return {
        "run": str(run),
        "iteration": trained.iteration,
        "outputs": outputs,
        "intercept": dict(zip(outputs, b.tolist(), strict=True)),
        "coefficients": {name: dict(zip(outputs, w.tolist(), strict=True)) for name, w in zip(names, W.T, strict=True)},
        "nonzeros": int(np.count_nonzero(trained.layers()[0][0])),
    }


def shown(found: dict[str, Any], width: int) -> Table:
    """A line for the intercept and for each feature with a coefficient, the largest first; the others are counted."""
    lines = sorted(found["coefficients"].items(), key=lambda line: -max(map(abs, line[1].values())))
    kept = [(name, values) for name, values in lines if any(values.values())]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption=caption(len(kept), len(lines)), caption_justify="left")
    table.add_column("feature", overflow="fold")
    for output in found["outputs"]:
        table.add_column(printable(output), justify="right", no_wrap=True)
    for name, values in [("intercept", found["intercept"]), *kept]:
        table.add_row(printable(name), *numbers(values.values()))
    return table


def numbers(values: Any) -> Sequence[str]:
    return [f"{value:.6g}" for value in values]


def caption(kept: int, every: int) -> str:
    """How many features have a coefficient.

    >>> caption(3, 5), caption(5, 5)
    ('2 of 5 features have coefficients 0', '')
    """
    return f"{every - kept} of {every} features have coefficients 0" if kept < every else ""
