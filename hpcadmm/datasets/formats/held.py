"""Arrays of the user, checked, and how their rows lie over the ranks."""

import hashlib
import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.datasets.labels import whole_numbers
from hpcadmm.datasets.table import Array, Span
from hpcadmm.errors import UsageError

NUMBERS, CAST = "iuf", "fUO"  # kinds of numpy's types: taken as they are, and made float64


@dataclass(frozen=True)
class Held:
    """Rows in memory.

    x: this rank's rows (rows, features), an array or a scipy.sparse.csr_array; `first` is the number of the first one.
    y: classes as whole numbers, or real targets, of all rows (rows,) or (rows, targets); None: there are none.
    names: of the classes that y numbers, if they were given as text. weight: of all rows.
    image: (channels, height, width) if a row is an image.
    entries: of a sparse x, over all ranks. shares: the rows that each rank holds; None: every rank holds all.
    partial: one batch of several, which may lack some of the names.
    """

    x: Any
    y: Array | None = None
    weight: Array | None = None
    names: list[str] | None = None
    image: tuple[int, int, int] | None = None
    entries: int = 0
    shares: list[Span] | None = None
    first: int = 0
    partial: bool = False

    @property
    def rows(self) -> int:
        """Of all ranks."""
        return int(self.x.shape[0]) if self.shares is None else self.shares[-1][1]

    @property
    def sparse(self) -> bool:
        return not isinstance(self.x, np.ndarray)

    @property
    def digest(self) -> str:
        """Of the contents."""
        hashed = hashlib.sha256(repr(self.x.shape).encode())
        x = [self.x.data, self.x.indices, self.x.indptr] if self.sparse else [self.x]
        for array in (*x, self.y, self.weight):
            if array is not None:
                hashed.update(array.dtype.str.encode())
                hashed.update(np.ascontiguousarray(array).data)
        return hashed.hexdigest()

    @property
    def kind(self) -> list[Any]:
        """What must be the same on all ranks."""
        labels = None if self.y is None else [self.y.dtype.kind, *self.y.shape[1:]]
        return [self.x.shape[1], str(self.x.dtype), self.sparse, labels, self.weight is not None]


def hold(X: Any, y: Any = None, weight: Any = None, world: World | None = None) -> Held:
    """The rows of all ranks: those of one rank if all give the same, else each rank's own, one rank after the other.

    X: (samples, features), or images (samples, height, width): an array, or anything that numpy makes one of, or a
    scipy.sparse matrix. y: (samples,) or, of several targets, (samples, targets). weight: (samples,). Raises
    UsageError, on all ranks, for other shapes and types. Collective.
    """
    world = world or World.without_mpi()
    with world.together("taking the arrays"):
        own = taken(X, y, weight)
    if world.size > 1 and len(set(world.gather(own.digest))) > 1:
        return shared(own, world)
    with world.together("taking the arrays"):
        if not own.rows:
            raise UsageError("X has no rows")
        return named(own, [])


def shared(own: Held, world: World) -> Held:
    """The rows of this rank among those of all. Collective."""
    kinds, sizes = world.gather(own.kind), world.gather(own.rows)
    edges = np.cumsum([0, *sizes]).tolist()
    if not edges[-1]:
        raise UsageError("X has no rows")
    rank = next(rank for rank, size in enumerate(sizes) if size)
    if strange := [k for k, size in enumerate(sizes) if size and kinds[k] != kinds[rank]]:
        what = "features, type of X, is it sparse, type of y, are there weights"
        said = f"rank {rank} {kinds[rank]}, rank {strange[0]} {kinds[strange[0]]}"
        cure = "give all the same arrays, or each its own rows of the same kind"
        raise UsageError(f"the ranks give different arrays ({what}): {said}; {cure}")
    own = own if own.rows else empty(kinds[rank])
    own_names = np.unique(own.y).tolist() if own.y is not None and own.y.dtype.kind == "U" else []
    found = named(own, sorted(set().union(*world.gather(own_names))))
    y, weight = (None if array is None else joined(array, world) for array in (found.y, found.weight))
    where = {"entries": sum(world.gather(own.entries)), "shares": list(pairwise(edges)), "first": edges[world.rank]}
    return replace(found, y=y, weight=weight, **where)


def empty(kind: list[Any]) -> Held:
    """No rows of this `Held.kind`."""
    features, dtype, sparse, labels, weighted = kind
    x: Any = np.empty((0, features), dtype)
    if sparse:
        from scipy.sparse import csr_array

        x = csr_array((0, features), dtype=dtype)
    types = {"U": "U1", "i": "i8", "f": "f8"}
    y = None if labels is None else np.empty((0, *labels[1:]), np.dtype(types[labels[0]]))
    return Held(x, y, np.empty(0) if weighted else None)


def joined(array: Array, world: World) -> Array:
    """The rows of all ranks. Collective."""
    parts = world.gather_bytes(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return np.concatenate([part.view(array.dtype) for part in parts]).reshape(-1, *array.shape[1:])


def named(held: Held, names: list[str]) -> Held:
    """With text as classes 0, 1, ... of `names` (empty: those that occur)."""
    if held.y is None or held.y.dtype.kind != "U":
        return held
    known = np.array(names) if names else np.unique(held.y)
    return replace(held, y=np.searchsorted(known, held.y).astype(np.int64), names=[str(name) for name in known])


def taken(X: Any, y: Any, weight: Any) -> Held:
    """One rank's arrays, checked."""
    x, image = (compressed(X.tocsr()), None) if hasattr(X, "tocsr") else matrix(X)
    labels = None if y is None else target(y)
    weights = None if weight is None else numbers(weight, "weight").astype(np.float64)
    for what, array in (("y", labels), ("weight", weights)):
        if array is not None and array.shape[:1] != x.shape[:1]:
            raise UsageError(f"X is {x.shape}, {what} is {array.shape}; must be (n, features) and (n,)")
    if weights is not None and weights.ndim != 1:
        raise UsageError(f"weight is {weights.shape}: must be ({x.shape[0]},)")
    return Held(x, labels, weights, None, image, 0 if isinstance(x, np.ndarray) else int(x.nnz))


def matrix(X: Any) -> tuple[Array, tuple[int, int, int] | None]:
    """X as rows of numbers, and their shape as images."""
    x = numbers(X, "X")
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise UsageError(f"X is {x.shape}; must be (samples, features)")
    image = (1, int(x.shape[1]), int(x.shape[2])) if x.ndim == 3 else None
    return x.reshape(len(x), math.prod(x.shape[1:])), image


def compressed(x: Any) -> Any:
    """A sparse matrix with its entries in order, each once."""
    from scipy.sparse import csr_array

    found = csr_array((numbers(x.data, "X"), x.indices, x.indptr), shape=x.shape)
    if not found.has_canonical_format:
        found = found.copy()
        found.sum_duplicates()
    return found


def numbers(given: Any, what: str) -> Array:
    """An array of numbers of at most 8 bytes. Raises UsageError."""
    found = np.asarray(given)
    if found.dtype.kind == "b":
        return found.astype(np.uint8)
    if found.dtype.kind in NUMBERS and found.dtype.itemsize <= 8:
        return found
    try:
        if found.dtype.kind not in CAST:
            raise TypeError("numbers are integers or floats")
        return found.astype(np.float64)
    except (TypeError, ValueError) as error:
        cure = "; text needs a table with names: of pandas or pyarrow, or a dict of columns" if what == "X" else ""
        raise UsageError(f"{what} must hold numbers, not {found.dtype}: {error}{cure}") from None


def target(y: Any) -> Array:
    """Labels as int64 or text, or targets as float64; (samples,), or (samples, targets). Raises UsageError."""
    found = np.asarray(y)
    if found.dtype.kind == "O":
        found = inferred(found)
    found = found.astype(str) if found.dtype.kind == "S" else found
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    if found.dtype.kind == "U":
        if found.ndim != 1:
            raise UsageError(f"y is {found.shape} of text: classes are one column")
        return found
    found = numbers(found, "y")
    return found.astype(np.float64) if found.dtype.kind == "f" else whole_numbers(found, "y", 0)


def inferred(found: Array) -> Array:
    """An array of objects as one of numbers or text. Raises UsageError."""
    rows = found.reshape(-1).tolist()
    try:
        missing = [row for row, value in enumerate(rows) if value is None or value != value]
        made = np.array(rows).reshape(found.shape)
    except (TypeError, ValueError) as error:
        raise UsageError(f"y must hold numbers or text: {error}") from None
    if missing:
        raise UsageError(f"y: row {missing[0] + 1} is missing; give it a value, or remove the row")
    return made
