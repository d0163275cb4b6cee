"""Which kernels a piece of a program has compiled, in a process that has compiled many before."""

from collections.abc import Callable
from typing import Any

from hpcadmm import kernels


def forget() -> None:
    """As in a new process: no kernel has been compiled or loaded."""
    for one in kernels.declared:
        one._reset_overloads()
    assert not kernels.signatures()


def compiled_by(call: Callable[[], Any]) -> set[tuple[str, Any]]:
    """The kernels, with the types of their arguments, that this call compiles or loads."""
    before = kernels.signatures()
    call()
    return kernels.signatures() - before
