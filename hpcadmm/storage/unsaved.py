"""A run that is not saved."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hpcadmm.storage.run import Run

if TYPE_CHECKING:
    from hpcadmm.comm.world import World


class Unsaved(Run):
    """A run without a folder: rows, logs, checkpoints and the summary go nowhere. Callbacks see them."""

    saves = False

    def __init__(self, world: "World") -> None:
        super().__init__(world, Path(), None)

    @property
    def continued(self) -> str:
        return "nothing was saved"

    def kept(self, saved: int) -> str:
        return self.continued

    def log(self, line: str) -> None:
        """Nothing to do."""

    def _write(self, name: str, write: Callable[[Path], None]) -> None:
        """Nothing to do."""
