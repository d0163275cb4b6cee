"""mpi4py's MPI, imported, and thereby started, at its first use: a command that needs no ranks never gets there."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["MPI", "Solo"]


class _Late:
    """The module mpi4py.MPI; each attribute is looked up there once."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module("mpi4py.MPI"), name)
        setattr(self, name, found)
        return found


class Solo:
    """The communicator of one process that has no MPI: as much of COMM_SELF as reading a checkpoint needs."""

    def Get_rank(self) -> int:
        """The only rank."""
        return 0

    def Get_size(self) -> int:
        """One."""
        return 1

    def Bcast(self, buffer: Any, root: int = 0) -> None:
        """Nothing to do: the buffer is that of the root."""

    def Allgather(self, mine: Any, everyone: Any) -> None:
        """The one part is all of it."""
        everyone[:] = mine

    def Allgatherv(self, mine: Any, everyone: Any) -> None:
        """The same; everyone: a list of the buffer and the lengths."""
        everyone[0][:] = mine


if TYPE_CHECKING:
    from mpi4py import MPI
else:
    MPI = _Late()
