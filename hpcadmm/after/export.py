"""A trained network in files for other programs: numpy .npz and ONNX."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hpcadmm import __version__
from hpcadmm.after.onnx_columns import outside
from hpcadmm.after.onnx_graph import write_onnx
from hpcadmm.after.trained import Trained, Warn, Which, read
from hpcadmm.comm.world import World
from hpcadmm.datasets.tabular.schema import Schema
from hpcadmm.model.state import Array
from hpcadmm.storage.durable import absent, kind, written


def export(run: Path, out: Path, force: bool, iteration: Which, world: World, warn: Warn) -> dict[str, Any]:
    """Write the run's network to a .npz or .onnx file, on the first rank; returns what was written. Collective.

    Raises UsageError, on all ranks, for an invalid run or file, or if the package onnx is missing.
    """
    trained = read(run, iteration, world, warn)
    with world.together("exporting"):
        if world.first:
            write = WRITERS[kind(out, WRITERS)]
            absent(out, force)
            written(out, lambda aside: write(aside, trained))
            if write is write_onnx and "dates" in (left := outside(trained.columns)):
                warn(f"{out}: {left['dates']}, without a time zone; the graph does not read their text")
    return {"out": str(out), "sizes": list(trained.network.n), "which": trained.which}


def write_npz(path: Path, trained: Trained) -> None:
    """Write the arrays of `arrays`, without pickles."""
    np.savez(path, allow_pickle=False, **arrays(trained))


def arrays(trained: Trained) -> dict[str, Array]:
    """W1..WL (n_l, n_{l-1}), b1..bL (n_l,) if there are biases, and all that is needed to apply them.

    a_0 = (x - input_shift) / input_divisor; z_l = W_l a_{l-1} + b_l; a_l = h(z_l); the values of a regression are
    z_L * target_divisor + target_shift. Of a table: `features` are the names of x, `schema` (JSON) says how the columns
    become x.
    """
    network, transform = trained.network, trained.transform
    activation: Any = network.activation
    found: dict[str, Array] = {}
    for l, (W, b) in enumerate(trained.layers(), 1):
        found[f"W{l}"] = W
        if b is not None:
            found[f"b{l}"] = b
    found |= {"sizes": np.array(network.n, np.int64), "activation": np.array(activation.name)}
    found |= {f"activation_{key}": np.array(value) for key, value in asdict(activation).items()}
    found |= {"input_shift": transform.inputs.shift, "input_divisor": transform.inputs.divisor}
    if transform.targets is not None:
        found |= {"target_shift": transform.targets.shift, "target_divisor": transform.targets.divisor}
    if isinstance(trained.columns, Schema):
        found["schema"] = np.array(json.dumps(trained.columns.record()))
        found["features"] = np.array(trained.columns.names)
    if trained.classes:
        found["classes"] = np.array(trained.names)
    made = {"loss": trained.job.loss.name, "name": trained.job.head.name, "hpcadmm": __version__}
    return found | {key: np.array(value) for key, value in made.items()} | {"iteration": np.array(trained.iteration)}


WRITERS: Mapping[str, Callable[[Path, Trained], None]] = {".npz": write_npz, ".onnx": write_onnx}
