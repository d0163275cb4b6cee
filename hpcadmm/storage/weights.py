"""Read the trained weights of a run in one process, for evaluate, predict and export."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcadmm.errors import UsageError
from hpcadmm.model.state import Array
from hpcadmm.storage import hdf5
from hpcadmm.storage.folders import BEST, MASTER, newest
from hpcadmm.storage.hdf5 import CheckpointError, Refused
from hpcadmm.storage.parts import RECORD, sha256
from hpcadmm.storage.record import LONGEST, Record


def read_weights(path: Path, warn: Callable[[str], None], last: bool = False) -> tuple[dict[str, Any], list[Array]]:
    """The meta and the weights W_1..W_L of a run, of a folder of checkpoints, or of one checkpoint.

    Of a run they are the best ones if it keeps them (save.best), unless `last` asks for the newest checkpoint. W_l is
    (n_l, n_{l-1}) or, with biases, (n_l, n_{l-1} + 1), in Fortran order. If a checkpoint is refused, `warn` gets the
    reason and the one before is used. Raises UsageError if none is valid.
    """
    reason = f"{path} holds no checkpoint; give a run folder or a checkpoint"
    for attempt in range(2):  # a running job may remove a folder after it was listed
        found = _candidates(Path(path), last)
        for folder in found:
            try:
                return _weights_of(folder)
            except CheckpointError as error:
                reason = str(error)
                if folder.exists():
                    warn(f"checkpoint {folder.name} is not used: {error}")
        if found == _candidates(Path(path), last) or attempt:
            break
    raise UsageError(reason)


def _candidates(path: Path, last: bool) -> list[Path]:
    if path.name == MASTER:
        return [path.parent]
    if (path / MASTER).exists():
        return [path]
    there = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    return ([] if last else newest(there / BEST)[:1]) + newest(there)


def _weights_of(folder: Path) -> tuple[dict[str, Any], list[Array]]:
    with hdf5.reading(folder / MASTER) as file:
        record = Record.parse(hdf5.read_text(file, RECORD, LONGEST))
        depth = 0
        while f"W/{depth + 1}" in record.entries:
            depth += 1
        shapes = [record.entries[f"W/{l}"].shape for l in range(1, depth + 1)]
        _check_shapes(shapes, record.meta.get("network"))
        limit = (folder / MASTER).stat().st_size
        return record.meta, [_weight(file, record, f"W/{l}", limit) for l in range(1, depth + 1)]


def _weight(file: h5py.File, record: Record, path: str, limit: int) -> Array:
    """One array; the file is not compressed, so no array has more bytes than the file."""
    entry = record.entries[path]
    dtype = np.dtype(entry.dtype)
    if dtype not in (np.float32, np.float64) or entry.lies != "replicated":
        raise Refused(f"{path} is {entry.lies}, {entry.dtype}; weights are replicated, float32 or float64")
    if entry.shape[0] * entry.shape[1] * dtype.itemsize > limit:
        raise Refused(f"{path} has the shape {entry.shape}, but the file has {limit} bytes")
    weight = np.empty(entry.shape, dtype)
    hdf5.read_array(file, path, weight)
    if sha256(weight) != entry.sha256:
        raise Refused(f"damaged: {path} has changed since it was saved (sha256)")
    return np.asfortranarray(weight)


def _check_shapes(shapes: list[tuple[int, ...]], network: Any) -> None:
    """Refuse shapes that do not form a network, or not one of the sizes n_0, ..., n_L if these are given."""
    if not shapes:
        raise Refused("it holds no weights W/1")
    if any(len(shape) != 2 or 0 in shape for shape in shapes):
        raise Refused(f"the weights have the shapes {shapes}, which are not matrices")
    ones = {after[1] - before[0] for before, after in pairwise(shapes)}
    sizes = network.get("sizes") if isinstance(network, dict) else None
    if sizes is not None:
        ones.add(shapes[0][1] - sizes[0])
    if ones not in ({0}, {1}, set()) or (sizes is not None and [s[0] for s in shapes] != list(sizes[1:])):
        given = f" of sizes {sizes}" if sizes else ""
        raise Refused(f"the weights have the shapes {shapes}, which do not form a network{given}")
