"""`hpcadmm train --data FILE --target COLUMN`: a job without a job file."""

import json

import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.training.drafting import draft
from hpcadmm.training.loop import train
from hpcadmm.training.progress import Progress

COLUMNS = "size,colour,empty,same,price,kind"


def row(k):
    return f"{k * 7 % 11},{'rg'[k % 2]},,5,{k % 13 * 1.37 + 5:.2f},{'abc'[k % 3]}"


@pytest.fixture
def table(tmp_path):
    """table(rows): a file of this many rows."""

    def write(rows):
        (tmp_path / "my.csv").write_text("\n".join([COLUMNS, *map(row, range(rows))]) + "\n")
        return tmp_path / "my.csv"

    return write


def test_a_table_trains_without_a_job_file_on_any_ranks(hpcadmm, inside, table, tmp_path):
    table(300)
    asked = ["--data", "my.csv", "--target", "price", "--set", "stop.iterations=3", "--set", "seed=2"]
    done = hpcadmm("train", *asked, "--out", "r", n=2).check()
    facts, chosen, start, *_ = done.stderr.splitlines()
    assert facts == "240 training samples, 24 of them held out to stop by; a regression"
    assert chosen.startswith("chosen: squared loss, hidden layers of ")
    assert chosen.endswith("standardised features, standardised targets, at most 3 iterations")
    assert start == f"mpadmm on my.csv, {done.n} ranks, run folder: r  (0 of 3 iterations done)"
    assert "job file: r/draft.toml; " in done.stderr
    whole, commented = (parse((tmp_path / "r" / name).read_text()) for name in ("job.toml", "draft.toml"))
    assert commented.resolved() | {"data": 0} == whole.resolved() | {"data": 0}
    assert inside("train", *asked, "--print-job").check().stdout == commented.to_toml()
    summary = train(commented, tmp_path / "again", World.alone(), Progress(False))
    assert summary["weights_sha256"] == json.loads((tmp_path / "r/summary.json").read_text())["weights_sha256"]


@pytest.mark.parametrize(
    ("rows", "asked", "words"),
    [
        (300, {}, ["--target is missing", "my.csv has the columns size, colour, empty, same, price, kind"]),
        (300, {"target": "prise"}, ["did you mean price?"]),
        (300, {"target": "empty"}, ["no row has a target"]),
        (300, {"target": "same"}, ["a classification needs two classes"]),
        (300, {"target": "kind", "task": "regression"}, ["is text"]),
        (300, {"target": "kind", "overrides": ["solver.name=adan"]}, ["did you mean adam?"]),
        (300, {"target": "kind", "overrides": ["stop.iteration=5"]}, ["did you mean iterations?"]),
        (5, {"target": "kind"}, ["4 training samples", "too few"]),
        (0, {"target": "kind"}, ["my.csv"]),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_run_folder_is_made(table, tmp_path, rows, asked, words):
    with pytest.raises(UsageError) as caught:
        train(draft(World.alone(), Progress(False), source=str(table(rows)), **asked)[0], tmp_path / "r", World.alone(),
              Progress(False))  # fmt: skip
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "r").exists()


def test_a_refusal_is_said_once_by_all_ranks(hpcadmm, table):
    table(30)
    done = hpcadmm("train", "--data", "my.csv", "--target", "prise", n=2)
    assert done.returncode == 2
    assert done.output.count("Error:") == 1
    assert "did you mean price?" in done.stderr


def test_a_job_file_and_data_exclude_each_other(inside):
    for asked in (["--data", "b.csv"], ["--solver", "adam"], ["--as", "csv"], ["--task", "regression"]):
        done = inside("train", "a.toml", *asked)
        assert done.returncode == 2
        assert f"a.toml and {asked[0]}: leave out one of the two" in done.stderr
    assert "--data FILE --target COLUMN" in inside("train").stderr
    assert inside("train", "--target", "price").returncode == 2


@pytest.mark.parametrize(("rows", "solver"), [(13, "mpadmm"), (40, "adam"), (40, "unwrapped"), (200, "taylor")])
def test_small_tables_train(table, tmp_path, rows, solver):
    job, _ = draft(World.alone(), Progress(False), source=str(table(rows)), target="kind", solver=solver)
    job = parse(job.to_toml(), ["stop.iterations=2"])
    assert train(job, tmp_path / "r", World.alone(), Progress(False))["iterations"] <= 2
