"""Standard streams that are closed, full, broken or narrow: no training ends for that, and no traceback is shown."""

import io
import os
import pty
import shlex
import subprocess
import sys

import pytest

from hpcadmm.cli import describe, streams
from hpcadmm.errors import UsageError
from tests.conftest import ROOT, environment, finish, mpiexec

QUICK = ("jobs/digits-taylor.toml", "network.hidden=[5]", "data.first=200", "stop.iterations=4", "evaluate.every=1")


@pytest.fixture
def own(monkeypatch):
    """own(descriptor, encoding): standard output as Python begins with it, on this descriptor, made lasting."""

    def make(descriptor, encoding="utf-8"):
        stream = io.TextIOWrapper(io.FileIO(descriptor, "w", closefd=False), encoding=encoding)
        return streams._lasting(stream, stream, descriptor)

    return make


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8", "größe …"), ("latin-1", "größe \\u2026"), ("ascii", "gr\\xf6\\xdfe \\u2026")]
)
def test_what_cannot_be_encoded_is_escaped(own, tmp_path, encoding, shown):
    with open(tmp_path / "said", "wb") as file:
        stream = own(file.fileno(), encoding)
        stream.write("größe …")
        stream.flush()
        assert stream.encoding == encoding
        assert not stream.isatty()
    assert (tmp_path / "said").read_bytes() == shown.encode(encoding)


def test_bytes_of_a_file_name_that_are_no_text_are_escaped(own, tmp_path):
    with open(tmp_path / "said", "wb") as file:
        print(os.fsdecode(b"a\xff"), file=own(file.fileno()), flush=True)
    assert (tmp_path / "said").read_text() == "a\\udcff\n"


def test_a_pipe_that_nobody_reads_is_written_to_without_an_error(own, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "stdout", own(writer))
    for _ in range(3):
        print("x" * 100_000, flush=True)
    streams.delivered()
    os.close(writer)


def test_a_full_disk_is_told_where_the_output_is_what_was_asked_for(own, monkeypatch):
    with open("/dev/full", "wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", own(full.fileno()))
        print("a table")
        with pytest.raises(UsageError, match="cannot write standard output: No space left on device"):
            streams.delivered()


def test_a_reader_that_is_slow_gets_all(own):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    stream = own(writer)
    if os.fork() == 0:
        stream.write("x" * 1_000_000)
        stream.flush()
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert len(pipe.read()) == 1_000_000
    os.wait()


def test_a_stream_that_was_redirected_is_left_alone():
    redirected = io.StringIO()
    assert streams._lasting(redirected, sys.__stdout__, 1) is redirected


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (OSError(28, "No space left", "a.csv"), 2)])
def test_what_is_no_defect_has_no_traceback(error, code):
    found = describe(error)
    assert found is not None
    assert found[0] == code
    assert describe(ZeroDivisionError()) is None


def shell(tmp_path, words, redirections):
    """The command line in a shell, with its streams as they say."""
    program = shlex.join([sys.executable, "-m", "hpcadmm", *map(str, words)])
    return finish(["bash", "-c", f"{program} {redirections}; exit ${{PIPESTATUS[0]}}"], 0, 120, None, tmp_path)


@pytest.mark.parametrize("redirections", ["2>&1 | head -1", ">/dev/full 2>/dev/full", "0<&- >&- 2>&-"])
def test_a_training_goes_on_whatever_becomes_of_its_streams(tmp_path, redirections):
    job, *sets = QUICK
    options = [word for one in sets for word in ("--set", one)]
    done = shell(tmp_path, ["train", ROOT / job, "--out", "run", *options], redirections)
    assert done.returncode == 0, done.output
    assert "Traceback" not in done.output
    assert "4 iterations" in (tmp_path / "run" / "log.txt").read_text()
    assert (tmp_path / "run" / "summary.json").is_file()


def test_show_on_a_full_disk_is_one_line(tmp_path):
    done = shell(tmp_path, ["data", "list"], ">/dev/full")
    assert (done.returncode, done.output) == (2, "Error: cannot write standard output: No space left on device\n")


def seen(tmp_path, command):
    """What a terminal shows of a run under mpiexec, whose command line a shell reads."""
    leader, follower = pty.openpty()
    job, *sets = QUICK
    options = [word for one in sets for word in ("--set", one)]
    run = shlex.join(
        [mpiexec(), "-n", "2", sys.executable, "-m", "hpcadmm", "train", str(ROOT / job), "--out", "r", *options]
    )
    with subprocess.Popen(
        ["timeout", "60", "bash", "-c", command.replace("RUN", run)], cwd=tmp_path, env=environment({"TERM": "xterm"}),
        stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(follower)
        shown = b""
        try:
            while more := os.read(leader, 65536):
                shown += more
        except OSError:  # EIO: nobody has the terminal open any more
            pass
        os.close(leader)
    assert process.returncode == 0, shown
    return shown.decode()


def test_a_bar_shows_where_mpiexec_writes_to_a_terminal(tmp_path):
    shown = seen(tmp_path, "RUN")
    assert "4/4" in shown
    assert "\x1b[" in shown
    assert "iteration 4 " not in shown, "no plain lines beside a bar"


def test_no_bar_goes_into_a_file_although_there_is_a_terminal(tmp_path):
    shown = seen(tmp_path, "RUN > log 2>&1; cat log")
    assert "\x1b[" not in shown
    assert "iteration 4 " in shown
