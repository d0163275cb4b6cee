"""What an engine of matrix products offers. A solver multiplies over its samples through one.

Arrays are (features, samples) in Fortran order. An operand is what an engine multiplies: an array, or whatever the
engine makes of one (`Operands`), once for all products with it.
"""

from collections.abc import Callable
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
Shapes = dict[tuple[int, int], tuple[int, int]]
Change = Callable[[Array], Array] | None
Operand = Any  # an Array, or the engine's own form of one, which has a `shape` and gives columns as [:, t]


WHOLE = slice(None)
LEAST, INNER = 1024, 16  # entries and columns of W from which rounding pays


def pays(rows: int, inner: int) -> bool:
    """Is a layer with W (rows, inner) large enough for rounded operands?"""
    return rows * inner >= LEAST and inner >= INNER


class Operands(Protocol):
    """The operands of an engine that are made again and again: the same name and shape give the same memory."""

    def like(self, name: str, x: Any) -> Operand:
        """An operand in place of x (rows, columns), which a kernel writes: see `targets`. Of arrays, x itself."""
        ...

    def rounded(self, name: str, x: Any) -> Operand:
        """The operand of x (rows, columns): the engine's form of an array; x itself if it is an operand already.

        Call it again when the array has changed.
        """
        ...

    def kept(self, name: str, x: Any) -> Operand:
        """The same, when the array may change before the operand is used."""
        ...

    def incoming(self, name: str, rows: int, columns: int) -> Operand:
        """An operand whose `message` a message from another rank fills."""
        ...

    def activated(self, name: str, h: Any, z: Array, ones: int, drops: Change = None) -> Operand:
        """h(z) (n + ones, m) for an activation h and z (n, m); the last rows are ones.

        drops: changes the array in place before it becomes an operand; not its ones."""
        ...

    def through(self, name: str, h: Any, z: Array, pull: Array, drops: Change = None) -> Operand:
        """pull * h'(z), entry by entry, all (n, m), then `drops` of it; overwrites z and pull."""
        ...

    def times(self, name: str, x: Operand, w: Array) -> Operand:
        """x (rows, m) with each column times its w (m,)."""
        ...

    def over(self, name: str, x: Operand, w: Array) -> Operand:
        """x (rows, m) with each column divided by its w (m,); 0 where w = 0."""
        ...


class Engine(Protocol):
    """Products of operands, written to `out`, an array (rows, columns) whose columns follow one another in memory."""

    @property
    def precision(self) -> str:
        """As in a job file."""
        ...

    def at(self, rows: int, inner: int) -> "Engine":
        """The engine for layers whose W is (rows, inner): this one, or that of the arrays' own precision where W is so
        small that other operands would not pay. A function of these sizes only."""
        ...

    def rehearsed(self, shapes: Shapes) -> "Engine":
        """The same engine for a rehearsal: `shapes` gives the real shape of each small one; `at` decides by it."""
        ...

    def operands(self) -> Operands:
        """Memory for operands."""
        ...

    def message(self, x: Operand) -> Array:
        """What another rank needs of an operand; see `Operands.incoming`."""
        ...

    def data(self, x: Any) -> Operand:
        """The operand of x (rows, samples), which never changes: every form of it is made once, when first used."""
        ...

    def columns(self, x: Any) -> Operand:
        """The operand of x (rows, samples), whose entries kernels write together with those of x: see `targets`."""
        ...

    def apply(self, W: Operand, a: Operand, out: Array | None = None) -> Array:
        """out = W a: (rows, inner) (inner, m); None: a new array."""
        ...

    def pull(self, W: Operand, z: Operand, out: Array) -> Array:
        """out = W^T z: the first len(out) columns of W (rows, inner), z (rows, m)."""
        ...

    def outer(self, z: Operand, a: Operand, out: Array, block: slice = WHOLE) -> Array:
        """out = z a^T over the samples: (rows, m) (columns, m); of a only the rows `block`."""
        ...

    def gram(self, a: Operand, out: Array) -> Array:
        """The lower triangle of out = a a^T, (rows, rows), over the samples; what is above it is not defined."""
        ...
