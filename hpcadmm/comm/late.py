"""mpi4py's MPI, imported (which starts it) at its first use, so that a command without ranks never starts it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["MPI", "Solo"]


class _Late:
    """The module mpi4py.MPI; each attribute is looked up once."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module("mpi4py.MPI"), name)
        setattr(self, name, found)
        return found


class Solo:
    """The communicator of one process without MPI: the part of COMM_SELF that reading a checkpoint needs."""

    def Get_rank(self) -> int:
        return 0

    def Get_size(self) -> int:
        return 1

    def Bcast(self, buffer: Any, root: int = 0) -> None:
        """Nothing to do: this is the root."""

    def Allgather(self, mine: Any, everyone: Any) -> None:
        everyone[:] = mine

    def Allgatherv(self, mine: Any, everyone: Any) -> None:
        """everyone: [buffer, lengths]."""
        everyone[0][:] = mine


if TYPE_CHECKING:
    from mpi4py import MPI
else:
    MPI = _Late()
