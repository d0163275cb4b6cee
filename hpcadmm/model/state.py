"""A solver's state: a small record whose fields say how they lie over the ranks.

    W: Arrays = replicated()   the same on every rank
    z: Arrays = columns()      each rank holds the columns (samples) of its tiles
    q: Arrays = sites()        each rank holds the sites (layers, workers) dealt to it
    p: Arrays = cells()        each rank holds the columns of its tiles, of the layers dealt to it
    A: Arrays = layers()       each rank holds the layers dealt to it; ranks with the same layers hold the same
    sweeps: int = scalar(0)    a number, the same on every rank
    sums: Any = exact_sums()   sums over the ranks; a checkpoint keeps their scales, or errors

A field may name the shape of its arrays; a blank state allocates them:

    replicated(WEIGHTS)         W[l]: (n[l], n[l-1] + ones), l = 1..L
    columns(UNITS)              z[l]: (n[l], m), l = 1..L
    columns(INPUTS, first=1)    a[l]: (n[l] + ones, m), l = 0..L-1; a[0] is the data, which is not saved
    columns(OUTPUTS)            one array (n[L], m)

A field is an array or a list of arrays indexed by layer, as in the paper; entries that are None do not exist.
A field declared without one of these is not saved: it can be formed from the others and the data.
With this a checkpoint serves every solver and restarts on any number of ranks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = list[Any]  # of Array or None
Lies = Literal["replicated", "columns", "sites", "cells", "layers", "ranks"]
WEIGHTS, UNITS, INPUTS, OUTPUTS = "weights", "units", "inputs", "outputs"  # shapes of fields


def _lying(lies: Lies, shape: str | None, first: int) -> Any:
    return field(default_factory=list, metadata={"lies": lies, "shape": shape, "first": first})


def replicated(shape: str | None = None, first: int = 0) -> Any:
    """A field that is the same on every rank. Entries of a list before `first` are not saved."""
    return _lying("replicated", shape, first)


def columns(shape: str | None = None, first: int = 0) -> Any:
    """A field of arrays (rows, samples): each rank holds the columns of its tiles."""
    return _lying("columns", shape, first)


def sites(first: int = 0) -> Any:
    """A field of arrays, each on the one rank that its layer or worker is dealt to."""
    return _lying("sites", None, first)


def cells(first: int = 0) -> Any:
    """A field of arrays (rows, samples) for a grid of ranks, layers x samples: each rank holds the columns of its tiles
    for the layers dealt to it; the entries of other layers are None."""
    return _lying("cells", None, first)


def layers(first: int = 0) -> Any:
    """A field of arrays of the layers dealt to this rank, the same on all ranks that share a layer."""
    return _lying("layers", None, first)


def scalar(value: float, former: str = "") -> Any:
    """A number, int or float as its first `value`, the same on every rank; saved as an array of one entry.

    former: its name in checkpoints of earlier versions.
    """
    return field(default=value, metadata={"lies": "replicated", "number": type(value), "former": former})


def exact_sums(name: str = "scales") -> Any:
    """Sums over the ranks. A checkpoint keeps their `scales`, an array or list of arrays by layer, under this name; and
    their `errors` by layer, if they have any. Each rank has errors of its own. The same number of ranks gets them back;
    of R other ranks, rank r gets the sum of those of ranks r, r + R, ..."""
    return field(default=None, metadata={"lies": "replicated", "first": 0, "sums": name})


@dataclass(frozen=True)
class Item:
    """One array of a state: its path in a checkpoint (`z/2`), how it lies, the array itself, and its former path."""

    path: str
    lies: Lies
    array: Array
    former: str = ""


def items(state: Any) -> Iterator[Item]:
    """Every array of a state that a checkpoint saves, in the order of declaration.

    >>> import numpy as np
    >>> @dataclass
    ... class State:
    ...     W: Arrays = replicated()
    ...     lam: Array = columns()
    >>> [(i.path, i.lies) for i in items(State([None, np.eye(2)], np.zeros((2, 3))))]
    [('W/1', 'replicated'), ('lam', 'columns')]
    """
    for f in fields(state):
        if "lies" not in f.metadata:
            continue
        name, value = f.name, getattr(state, f.name)
        if "number" in f.metadata:
            value = np.array([value], np.int64 if f.metadata["number"] is int else np.float64)
        elif "sums" in f.metadata and value is not None:
            for l, error in enumerate(getattr(value, "errors", ())):
                if error is not None:
                    yield Item(f"{f.metadata['sums'].replace('scales', 'errors')}/{l}", "ranks", error)
            name, value = f.metadata["sums"], value.scales
        if isinstance(value, list):
            for l, array in enumerate(value):
                if array is not None and l >= f.metadata["first"]:
                    yield Item(f"{name}/{l}", f.metadata["lies"], array)
        elif value is not None:
            yield Item(name, f.metadata["lies"], value, f.metadata.get("former", ""))


def take_numbers(state: Any, filled: Iterable[Item]) -> None:
    """Set the `scalar` fields of a state from its items, whose arrays a checkpoint has filled.

    >>> @dataclass
    ... class State:
    ...     sweeps: int = scalar(3)
    >>> s = State()
    >>> (sweeps,) = items(s)
    >>> sweeps.array[0] = 7
    >>> take_numbers(s, [sweeps])
    >>> s
    State(sweeps=7)
    """
    found = {item.path: item.array for item in filled}
    for f in fields(state):
        array = found.get(f.name, found.get(f.metadata.get("former", "")))
        if "number" in f.metadata and array is not None:
            setattr(state, f.name, f.metadata["number"](array[0]))
