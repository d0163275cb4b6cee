"""A disk without room for metrics, log or summary: one message, a checkpoint if it fits, and the run goes on later."""

import errno
import io
import json
from pathlib import Path

import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.storage import checkpoint, durable
from hpcadmm.storage import run as run_module
from hpcadmm.storage.run import read_metrics, read_summary
from hpcadmm.training.loop import resume, train
from hpcadmm.training.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["network.hidden=[5]", "data.first=200", "stop.iterations=8", "evaluate.every=2"]


def job(*more):
    return parse((ROOT / "jobs" / "digits-taylor.toml").read_text(), [*SMALL, *more])


def begin(out, *more):
    return train(job(*more), out, World.alone(), Progress(False))


def go_on(out):
    return resume(out, [], World.alone(), Progress(False))


def full(code, at, name, real):
    """`real`, which writes a file, but at the call number `at` for `name` it finds the disk full."""
    calls = []

    def write(path, text):
        if path.name == name:
            calls.append(text)
            if len(calls) == at:
                raise OSError(code, errno.errorcode[code], str(path))
        real(path, text)

    return write


@pytest.fixture
def refused(monkeypatch):
    """refused(out, name, at, code=ENOSPC): what a run says when the disk is full at the call number `at` for a file."""

    def run(out, name, at=1, code=errno.ENOSPC):
        with monkeypatch.context() as patch:
            for writer in ("append", "write_text"):
                patch.setattr(run_module, writer, full(code, at, name, getattr(durable, writer)))
            with pytest.raises(UsageError) as error:
                begin(out)
        return str(error.value)

    return run


@pytest.fixture
def whole(tmp_path):
    return begin(tmp_path / "whole")["weights_sha256"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_no_room_for_a_row(tmp_path, refused, whole, code):
    """The state is saved if there is room for it, and the row is made up for."""
    out = tmp_path / "run"
    said = refused(out, "metrics.jsonl", 3, code)
    assert said.startswith(f"cannot write {out}/metrics.jsonl: {errno.errorcode[code]}\n")
    assert "of iteration 6 is valid" in said
    assert f"hpcadmm resume {out}" in said
    assert go_on(out)["weights_sha256"] == whole
    assert [row["iteration"] for row in read_metrics(out)] == [2, 4, 6, 8]


def test_a_run_that_can_save_nothing_goes_on_until_it_can(tmp_path, monkeypatch, whole):
    """Rows fail from iteration 4 on, checkpoints until iteration 6."""
    out, save, tries = tmp_path / "run", checkpoint.save, []

    def late(*how):
        tries.append(how)
        if len(tries) == 1:
            raise UsageError("cannot write the checkpoint: full")
        return save(*how)

    def few(path, text):
        if path.name == "metrics.jsonl" and json.loads(text)["iteration"] > 2:
            raise OSError(errno.ENOSPC, "full", str(path))
        durable.append(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", late)
        patch.setattr(run_module, "append", few)
        with pytest.raises(UsageError, match="iteration 6 is valid"):
            begin(out)
    assert go_on(out)["weights_sha256"] == whole
    assert [row["iteration"] for row in read_metrics(out)] == [2, 6, 8]


@pytest.mark.parametrize("at", [1, 2])
def test_no_room_in_the_log_is_told_at_the_next_row_or_at_the_end(tmp_path, refused, whole, at):
    out = tmp_path / "run"
    assert "log.txt" in refused(out, "log.txt", at)
    assert go_on(out)["weights_sha256"] == whole


def test_no_room_for_the_summary(tmp_path, refused, whole):
    out = tmp_path / "run"
    assert "of iteration 8 is valid" in refused(out, "summary.json")
    assert read_summary(out) is None
    assert go_on(out)["weights_sha256"] == whole
    assert read_summary(out)["state"] == "finished"


@pytest.mark.parametrize("name", ["environment.json", "job.toml"])
def test_no_room_at_the_start_and_the_folder_can_be_used_again(tmp_path, refused, whole, name):
    out = tmp_path / "run"
    assert refused(out, name).startswith(f"cannot make the run folder {out}: ")
    assert begin(out)["weights_sha256"] == whole


class Short:
    """A raw file on a disk that takes some bytes, and then no more."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = self.file.write(bytes(data[: self.room]))
        self.room -= done
        return done

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 5])
def test_a_line_that_does_not_fit_leaves_no_part(tmp_path, monkeypatch, room):
    path = tmp_path / "metrics.jsonl"
    durable.append(path, json.dumps({"iteration": 1}))
    monkeypatch.setattr(durable, "open", lambda path, mode, buffering: Short(io.FileIO(path, "a"), room), raising=False)
    with pytest.raises(OSError, match=r"metrics\.jsonl"):
        durable.append(path, json.dumps({"iteration": 2}))
    assert path.read_text() == '{"iteration": 1}\n'
