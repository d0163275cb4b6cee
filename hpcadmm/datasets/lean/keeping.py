"""How a solver can take its samples: all in memory as an array, read from the file as it uses them, or sparse."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Names = Callable[[], Sequence[str]]


@dataclass(frozen=True)
class Keeping:
    """streams: the samples may stay in the file. sparse: their features may be sparse.

    who: the solver, for messages. streaming, keeping: the solvers that stream, and those that keep samples sparse.
    """

    streams: bool = True
    sparse: bool = True
    who: str = ""
    streaming: Names = tuple
    keeping: Names = tuple


ANY = Keeping()  # of what passes through the samples once: evaluate, predict
