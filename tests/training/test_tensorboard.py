"""TensorBoard: what metrics.jsonl has, each step once; callbacks by name; what is missing is said before any work."""

import math
import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import hpcadmm
from hpcadmm.comm.world import World
from hpcadmm.job.job import parse
from hpcadmm.storage.run import read_job, read_metrics
from hpcadmm.testing.threads import on_ranks
from hpcadmm.training import loop
from hpcadmm.training.callbacks import CALLBACKS
from hpcadmm.training.progress import Progress
from hpcadmm.training.tensorboard import scalars
from tests.helpers.trainings import DIGITS, PLAIN

JOB = DIGITS.format(**PLAIN) + '[log]\nto = "tensorboard"\n'


def train(folder: Path, world: World, *more: str) -> None:
    loop.train(parse(JOB, more), folder, world, Progress(False))


def events(folder: Path) -> list:
    """The events of all files: records of length, check, bytes, check."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.iterdir()):
        data, start = path.read_bytes(), 0
        while start < len(data):
            (length,) = struct.unpack_from("<Q", data, start)
            found.append(Event.FromString(data[start + 12 : start + 12 + length]))
            start += length + 16
    return found


def test_every_number_of_every_row_is_written_by_the_first_rank(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    on_ranks(2, lambda world: train(tmp_path / "run", world))
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1
    found = events(tmp_path / "run" / "tensorboard")
    told = [(event.step, value.tag, value.simple_value) for event in found for value in event.summary.value
            if value.WhichOneof("value") == "simple_value"]  # fmt: skip
    rows = read_metrics(tmp_path / "run")
    expected = [(row["iteration"], *pair) for row in rows for pair in scalars(row)]
    assert [one[:2] for one in told] == [one[:2] for one in expected]
    assert all(math.isclose(a[2], b[2], rel_tol=1e-6) for a, b in zip(told, expected, strict=True))
    assert {"test_accuracy", "objective", "compute_seconds/mean"} <= {tag for _, tag, _ in told}
    values = [value for event in found for value in event.summary.value]
    text = [value.tensor.string_val[0].decode() for value in values if "job" in value.tag]
    assert "".join(line.removeprefix("    ") + "\n" for line in text[0].splitlines()) == read_job(tmp_path / "run")
    assert all(event.wall_time > 1e9 for event in found)


def test_a_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    run, world = tmp_path / "run", World.alone()
    train(run, world)
    shutil.rmtree(run / "checkpoints" / "iteration-0000000006")
    loop.resume(run, ["stop.iterations=8"], world, Progress(False))
    steps: list[int] = []
    for event in events(run / "tensorboard"):
        if event.HasField("session_log"):
            steps = [step for step in steps if step < event.step]  # as TensorBoard does
        steps += [event.step for value in event.summary.value if value.tag == "objective"]
    assert steps == [row["iteration"] for row in read_metrics(run)] == [2, 4, 6, 8]
    what = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(what, reason="tensorboard is not installed, which reads what the extra writes")
    read = accumulator.EventAccumulator(str(run / "tensorboard"))
    read.Reload()
    assert [one.step for one in read.Scalars("objective")] == steps


def test_what_is_missing_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(hpcadmm.UsageError, match=r"log.to = 'tensorbord': did you mean tensorboard\?"):
        train(tmp_path / "run", World.alone(), "log.to=tensorbord")
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(hpcadmm.UsageError, match=r"pip install 'hpcadmm\[tensorboard\]'"):
        train(tmp_path / "run", World.alone())
    with pytest.raises(hpcadmm.UsageError, match=r"pip install 'hpcadmm\[tensorboard\]'"):
        hpcadmm.TensorBoard()
    assert not (tmp_path / "run").exists()
    train(tmp_path / "run", World.alone(), "log.to=[]")
    assert "[log]" not in read_job(tmp_path / "run")


def test_a_run_that_is_not_saved_needs_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    job = {"loss": {"name": "squared"}, "solver": {"name": "lbfgs"}, "stop": {"iterations": 3}}
    X, y = np.eye(4), np.arange(4.0)
    with pytest.raises(hpcadmm.UsageError, match="not saved: give TensorBoard a folder"):
        hpcadmm.train(job, X, y, callbacks=[hpcadmm.TensorBoard()])
    for _ in range(2):
        hpcadmm.train(job, X, y, callbacks=[hpcadmm.TensorBoard(tmp_path / "there")])
    begun = [event.step for event in events(tmp_path / "there") if event.HasField("session_log")]
    assert begun == [1, 1], "the second run hides the steps of the first"


class Counting(hpcadmm.Callback):
    name, rows = "counting", 0

    def row(self, run, row):
        type(self).rows += 1


def test_a_callback_of_another_package_is_chosen_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CALLBACKS, "_classes", CALLBACKS._classes | {"counting": Counting})
    train(tmp_path / "run", World.alone(), "log.to=counting")
    assert Counting.rows == len(read_metrics(tmp_path / "run"))


def test_a_full_disk_ends_the_curves_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = pytest.importorskip("tensorboardX.event_file_writer").EventsWriter
    write = writer.write_event

    def full(self, event):
        if event.step > 2:
            raise OSError(28, "No space left on device")
        write(self, event)

    monkeypatch.setattr(writer, "write_event", full)
    train(tmp_path / "run", World.alone())
    assert [row["iteration"] for row in read_metrics(tmp_path / "run")] == [2, 4, 6]
    assert max(event.step for event in events(tmp_path / "run" / "tensorboard")) == 2
    assert (tmp_path / "run" / "log.txt").read_text().count("TensorBoard gets no further rows") == 1
