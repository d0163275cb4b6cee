"""Callbacks: the training loop calls them. A program, [log] and other packages give them in the same way."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hpcadmm.comm.world import World
from hpcadmm.registry import Registry

if TYPE_CHECKING:
    from hpcadmm.training.current import Training
    from hpcadmm.training.measure import Row

CALLBACKS = Registry(
    "log.to",
    later={"tensorboard": "hpcadmm.training.tensorboard:TensorBoard"},
    group="hpcadmm.callbacks",
    base="hpcadmm.training.callbacks:Callback",
)


class Callback:
    """Derive from this class and override what you need. The training loop calls each method on every rank; see
    `hpcadmm.TensorBoard`, an example. A package offers one to [log] by an entry point of the group hpcadmm.callbacks:
    a dataclass with a `name`, whose fields have defaults.

    run: the run in progress. `run.job` is the job, `run.iteration` the number of iterations done, `run.row` the last
        measured row, `run.folder` the run folder (None: nothing is saved), `run.first` whether this rank is the one
        that prints and writes.

    An exception on one rank ends the run on all of them.
    """

    def start(self, run: "Training") -> None:
        """Before the first iteration; of a resumed run, too."""

    def row(self, run: "Training", row: "Row") -> str | None:
        """After a measured iteration. row: as a line of metrics.jsonl. A text ends the run, which gives it as the
        reason; that of the first rank counts."""

    def checkpoint(self, run: "Training") -> None:
        """After a checkpoint was written."""

    def end(self, run: "Training", summary: dict[str, Any]) -> None:
        """After the last iteration, also of a run that a signal ended or that diverged. summary: as in summary.json."""


def tell(callbacks: Sequence[Callback], event: str, run: "Training", *more: Any) -> str | None:
    """Call a method of all callbacks, together on all ranks; the last text that one of them returned. Collective."""
    said: str | None = None
    for one in callbacks:
        with run.world.together(f"{type(one).__name__}.{event}"):
            said = getattr(one, event)(run, *more) or said
    return said


def of_log(names: Sequence[str], world: World) -> list[Callback]:
    """The callbacks of [log]. Raises UsageError, on all ranks, if one is unknown or lacks a package. Collective."""
    with world.together("the callbacks of log.to"):
        return [CALLBACKS[name]() for name in names]
