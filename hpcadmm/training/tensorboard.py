"""Curves of a run in TensorBoard, written while it trains."""

import math
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hpcadmm.errors import UsageError
from hpcadmm.storage.durable import spoken
from hpcadmm.training.callbacks import Callback

if TYPE_CHECKING:
    from hpcadmm.training.current import Training
    from hpcadmm.training.measure import Row

FOLDER = "tensorboard"  # in the run folder
VERSION = "brain.Event:2"  # of event files


@dataclass
class TensorBoard(Callback):
    """Every number of metrics.jsonl as a scalar, with its iteration as the step, and the job as text. To see them:
    `tensorboard --logdir FOLDER`, of one run or of a folder of runs.

    folder: of the event files; default: the folder `tensorboard` of the run.

    A resumed run continues in the same folder; TensorBoard leaves out the steps that it undid. If the disk refuses a
    row, the run logs a warning and writes no more curves. Raises UsageError without the package tensorboardX.
    """

    name: ClassVar[str] = "tensorboard"
    folder: str | Path | None = None
    file: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        library()

    def start(self, run: "Training") -> None:
        folder = self.folder or (run.folder and run.folder / FOLDER)
        if folder is None:
            raise UsageError("TensorBoard: the run is not saved: give TensorBoard a folder, or train with out=")
        if not run.first:
            return
        tb = library()
        with spoken(f"write {folder}"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.file = tb.event_file_writer.EventsWriter(str(Path(folder) / "events"), f".{time.time_ns()}")
        begun = tb.proto.event_pb2.SessionLog(status=tb.proto.event_pb2.SessionLog.START)
        job = "".join(f"    {line}\n" for line in run.job.to_toml().splitlines())  # as code
        self._write(run, run.iteration + 1, file_version=VERSION)
        self._write(run, run.iteration + 1, session_log=begun)  # hides what was written of this step and later ones
        self._write(run, run.iteration, summary=tb.summary.text("job", job))

    def row(self, run: "Training", row: "Row") -> None:
        if run.first:
            values = [{"tag": tag, "simple_value": value} for tag, value in scalars(row)]
            self._write(run, run.iteration, summary={"value": values})

    def end(self, run: "Training", summary: dict[str, Any]) -> None:
        with suppress(OSError):
            if self.file:
                self.file.close()

    def _write(self, run: "Training", step: int, **event: Any) -> None:
        """Append an event."""
        try:
            if self.file:
                self.file.write_event(library().proto.event_pb2.Event(wall_time=time.time(), step=step, **event))
                self.file.flush()
        except OSError as error:
            self.file = None
            run.run.log(said := f"Warning: TensorBoard gets no further rows: {error}")
            run.progress.say(said)


def scalars(row: "Row", before: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a row by name; those of a table as table/name.

    >>> list(scalars({"iteration": 3, "objective": 2.5, "compute_seconds": {"min": 1.0}, "test_accuracy": None}))
    [('objective', 2.5), ('compute_seconds/min', 1.0)]
    """
    for key, value in row.items():
        if isinstance(value, dict):
            yield from scalars(value, f"{key}/")
        elif isinstance(value, int | float) and math.isfinite(value) and key != "iteration":
            yield before + key, float(value)


def library() -> Any:
    """tensorboardX. Its SummaryWriter is not used: its thread dies of a full disk, and the program waits for it."""
    try:
        return import_module("tensorboardX")
    except ImportError as error:
        cure = "pip install 'hpcadmm[tensorboard]'"
        raise UsageError(f"TensorBoard needs the package tensorboardX: {cure} ({error})") from None
