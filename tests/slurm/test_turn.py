"""What a start of a job is to do, told from what lies in the run folder and beside it."""

import json

import pytest

from hpcadmm.errors import UsageError
from hpcadmm.slurm import status
from hpcadmm.slurm.turn import records, turn
from hpcadmm.storage.lock import Lock
from tests.helpers.trainings import DIGITS, PLAIN


@pytest.fixture(autouse=True)
def under_slurm(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


def made(run, iteration=0, **summary):
    """A run folder with a checkpoint of an iteration, and a summary if there is anything to say."""
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    (run / "job.toml").write_text(DIGITS.format(**PLAIN | {"iterations": 10}))
    if iteration:
        (run / "checkpoints" / f"iteration-{iteration:010d}").mkdir(exist_ok=True)
    if summary:
        (run / "summary.json").write_text(json.dumps(summary))


def test_a_new_run_is_trained_and_its_start_recorded(run):
    assert turn(run, []) == "train"
    (start,) = records(run)
    assert (start["job"], start["restart"], start["iteration"]) == ("7", 0, 0)


def test_a_run_with_a_checkpoint_is_resumed(run, monkeypatch):
    turn(run, [])
    made(run, 5, state="interrupted", iterations=5)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert turn(run, []) == "resume"
    assert [(start["restart"], start["iteration"]) for start in records(run)] == [(0, 0), (1, 5)]


def test_a_finished_run_is_left_alone_unless_it_is_to_go_on(run):
    made(run, 10, state="finished", iterations=10)
    assert turn(run, []) == "finished"
    assert turn(run, ["stop.iterations=10"]) == "finished"
    assert records(run) == []
    assert turn(run, ["stop.iterations=20"]) == "resume"


def test_a_summary_of_an_earlier_end_is_not_the_end(run):
    made(run, 10, state="finished", iterations=10)
    (run / "metrics.jsonl").write_text('{"iteration": 15}\n')
    assert turn(run, []) == "resume"


def test_a_diverged_run_is_not_started_again(run):
    made(run, 5, state="diverged", iterations=6, stop_reason="diverged: NaN")
    with pytest.raises(UsageError, match="NaN"):
        turn(run, [])


def test_two_starts_in_vain_are_enough(run):
    assert [turn(run, []) for _ in range(2)] == ["train"] * 2
    with pytest.raises(UsageError, match=r"no progress in the last 2 starts: no checkpoint was saved"):
        turn(run, [])
    made(run, 3)
    assert [turn(run, []) for _ in range(2)] == ["resume"] * 2
    with pytest.raises(UsageError, match="still that of iteration 3"):
        turn(run, [])


def test_progress_and_another_job_begin_anew(run, monkeypatch):
    for iteration in (1, 1, 2, 2, 3):
        made(run, iteration)
        assert turn(run, []) == "resume"
    turn(run, [])
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    assert turn(run, []) == "resume"


def test_what_was_killed_before_its_first_checkpoint_begins_anew(run):
    made(run)
    assert turn(run, []) == "train"
    assert not run.exists()


def test_a_folder_that_another_job_works_in_is_left_alone(run):
    made(run, 5)
    held = Lock(run)
    with pytest.raises(UsageError, match="using this run folder"):
        turn(run, [])
    held.close()
    assert turn(run, []) == "resume"


def test_files_of_others_are_kept(run):
    made(run)
    (run / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match=r"thesis\.tex"):
        turn(run, [])
    assert (run / "thesis.tex").exists()


def test_a_damaged_record_is_begun_anew(run):
    run.with_name("run.starts.json").write_text("[[")
    assert turn(run, []) == "train"
    assert len(records(run)) == 1


def test_status_without_slurm_tells_what_the_folder_knows(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no such run"):
        status.status(run)
    status.note(run, "7")
    (found,) = status.status(run)
    assert (found["job"], found["state"], found["slurm"]) == ("7", "not begun", {})
    turn(run, [])
    run.with_name("run.out").write_text("".join(f"line {k}\x1b[31m\n" for k in range(20)))
    (found,) = status.status(run)
    assert found["tail"] == [f"line {k}\\x1b[31m" for k in range(12, 20)]
    assert "unknown to Slurm" in status.shown(found)
    turn(run.with_name("run-0"), [])
    assert [one["run"] for one in status.status(tmp_path / "run-0")] == [str(tmp_path / "run-0")]
