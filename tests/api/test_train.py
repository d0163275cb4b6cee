"""Training from Python: arrays and tables become a dataset like any other, and the network is that of the command."""

import json
import os
import pickle
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

import hpcadmm
from hpcadmm.after.predict import Reading, predict
from hpcadmm.api.train import Kept
from hpcadmm.comm.world import World
from hpcadmm.job.job import parse
from hpcadmm.storage.run import read_summary
from hpcadmm.training import loop
from hpcadmm.training.progress import Progress
from tests.helpers.trainings import DIGITS, JOBS, PLAIN

random = np.random.default_rng(3)
X = random.standard_normal((203, 4)) * [1.0, 30.0, 0.1, 5.0]
SIGN = np.where(X[:, 0] + X[:, 1] / 30 > 0, "up", "down")
VALUE = 1000 + 30 * X[:, 0] - X[:, 1] + random.standard_normal(203)
COLOUR = random.choice(["red", "green"], 203)


def job(loss="cross-entropy", solver="mpadmm", hidden=(7,), **more):
    tables = {"loss": {"name": loss}, "solver": {"name": solver}, "network": {"hidden": list(hidden)}}
    return hpcadmm.Job.read(tables | {"stop": {"iterations": 12}, "evaluate": {"every": 4}}, **more)


def same(one, other):
    return all(np.array_equal(W, V) and np.array_equal(b, c) for (W, b), (V, c) in
               zip(one.weights, other.weights, strict=True))  # fmt: skip


def test_a_job_from_python_is_that_of_the_file(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(DIGITS.format(**PLAIN))
    changed = hpcadmm.Job.read(path, solver={"gamma": 5}, network={"hidden": (np.int64(3),)}, **{"stop.tolerance": 0.5})
    again = hpcadmm.Job.read(changed.resolved())
    assert again == changed
    assert (changed.solver.gamma, changed.layers.hidden, changed.stop.tolerance) == (5.0, [3], 0.5)
    assert changed.head.name == "digits"
    assert hpcadmm.Job.read(changed.resolved(), stop={"tolerance": None}).stop.tolerance is None
    with pytest.raises(hpcadmm.UsageError, match=r"solver\.gama: unknown key(.|\n)*stop\.iterations = 0: must"):
        hpcadmm.Job.read(path, solver={"gama": 5}, stop={"iterations": 0})
    with pytest.raises(hpcadmm.UsageError, match=r"solver.gamma: .*not JSON serializable"):
        hpcadmm.Job.read(path, solver={"gamma": object()})


@pytest.mark.parametrize("name", ["digits", "leaky", "linear"])
def test_the_network_is_that_of_the_command(name, tmp_path):
    """The saved run, the run in memory, and the command's run of the same job, on the data that the job names."""
    text = DIGITS.format(**(PLAIN | JOBS[name]))
    (tmp_path / "job.toml").write_text(text)
    quick = hpcadmm.train(tmp_path / "job.toml")
    saved = hpcadmm.train(tmp_path / "job.toml", out=tmp_path / "python")
    loop.train(parse(text), tmp_path / "command", World.alone(), Progress(False))
    theirs = hpcadmm.load(tmp_path / "command")
    assert same(quick, saved)
    assert same(saved, theirs)
    assert quick.summary["weights_sha256"] == read_summary(tmp_path / "command")["weights_sha256"]
    keys = ("iteration", "objective", "test_accuracy")
    assert [[row[k] for k in keys] for row in quick.metrics] == [[row[k] for k in keys] for row in theirs.metrics]
    assert {"compute_seconds.mean", "bytes"} <= set(quick.metrics[0])
    assert all(not isinstance(value, dict) for row in quick.metrics for value in row.values())
    assert quick.evaluate() == theirs.evaluate()
    assert quick.folder is None
    assert saved.folder == tmp_path / "python"


def test_predictions_are_those_of_the_command(tmp_path):
    model = hpcadmm.train(job(save={"best": "train_accuracy"}), X, SIGN, out=tmp_path / "run")
    np.savez(tmp_path / "new.npz", X=X[:50])
    out, warn = tmp_path / "out.npz", print
    predict(tmp_path / "run", tmp_path / "new.npz", out, Reading(), False, None, World.alone(), warn)
    found = np.load(out)
    for one in (model, hpcadmm.load(tmp_path / "run"), pickle.loads(pickle.dumps(model))):
        assert one.predict(X[:50]).tolist() == found["name"].tolist()
        np.testing.assert_array_equal(one.predict_proba(X[:50]), found["probabilities"])
        np.testing.assert_array_equal(one.predict_proba(tmp_path / "new.npz"), found["probabilities"])
        assert one.evaluate(X, SIGN)["accuracy"] == np.mean(one.predict(X) == SIGN)
    assert model.iteration == model.summary["best"]["iteration"]
    assert hpcadmm.load(tmp_path / "run", "last").iteration == 12
    assert hpcadmm.load(model) is model


@pytest.mark.parametrize("labels", [SIGN, SIGN == "up", (SIGN == "up") * 7 - 3, SIGN.astype(object), list(SIGN)])
def test_labels_come_back_as_they_were_given(labels):
    model = hpcadmm.train(job(), X, labels)
    found = model.predict(X)
    assert np.mean(found == np.asarray(labels)) > 0.9
    assert model.classes.dtype.kind == found.dtype.kind == ("U" if "up" in labels else "i")


def test_whole_numbers_are_classes_only_if_the_loss_needs_them():
    counts = np.arange(203) % 5
    assert hpcadmm.train(job("cross-entropy"), X, counts).trained.classes == 5
    assert hpcadmm.train(job("squared"), X, counts).trained.classes == 0
    assert hpcadmm.train(job("cross-entropy"), X, counts.astype(float)).trained.classes == 5
    assert hpcadmm.train(job("squared", data={"task": "classification"}), X, counts).trained.classes == 5
    with pytest.raises(hpcadmm.UsageError, match=r"row 1 has the label 0.5: classes are whole numbers"):
        hpcadmm.train(job(), X, counts + 0.5)


def test_a_regression_predicts_in_the_units_of_the_data():
    model = hpcadmm.train(job("squared", hidden=(), stop={"iterations": 60}), X, VALUE)
    assert model.job.data.standardise
    assert model.job.data.standardise_targets
    assert model.predict(X).shape == (203,)
    assert model.evaluate(X, VALUE)["r2"] > 0.9
    two = hpcadmm.train(job("squared"), X, np.c_[VALUE, -VALUE])
    assert two.predict(X).shape == (203, 2)


def test_the_options_of_data_apply_to_arrays():
    model = hpcadmm.train(job(data={"classes": ["up", "down"], "validation": 0.2, "weight": "balanced"}), X, SIGN)
    assert model.classes.tolist() == ["up", "down"]
    assert "test_accuracy" in model.metrics[-1]
    weights = np.where(SIGN == "up", 2.0, 1.0)
    twice = np.concatenate([X, X[SIGN == "up"]]), np.concatenate([SIGN, SIGN[SIGN == "up"]])
    how = job(solver="lbfgs", data={"standardise": False, "scale": "none"})
    one, other = hpcadmm.train(how, X, SIGN, weight=weights), hpcadmm.train(how, *twice)
    assert one.metrics[-1]["objective"] == pytest.approx(other.metrics[-1]["objective"], rel=1e-6)


def test_sparse_samples_stay_sparse_and_give_the_same():
    dense = X * (random.random(X.shape) < 0.08)
    how = job(solver="unwrapped", hidden=(), data={"scale": "none", "standardise": False})
    one, other = hpcadmm.train(how, csr_array(dense), SIGN), hpcadmm.train(how, dense, SIGN)
    np.testing.assert_allclose(one.weights[0][0], other.weights[0][0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.predict_proba(csr_array(dense)), one.predict_proba(dense), rtol=1e-12)


def test_images_are_scaled_by_their_range():
    images = random.integers(0, 256, (60, 5, 5), np.uint8)
    model = hpcadmm.train(job(), images, np.arange(60) % 3)
    assert model.job.data.scale == "unit"
    np.testing.assert_array_equal(model.predict(images), model.predict(images.reshape(60, -1)))


@pytest.mark.parametrize("kind", [pa.table, dict])
def test_a_table_with_text_becomes_features_as_a_file_does(kind, tmp_path):
    columns = {"colour": COLOUR, "size": X[:, 1]}
    value = VALUE + 50 * (COLOUR == "red")
    whole = pa.table({**columns, "value": value})
    how = job("squared", stop={"iterations": 40}, data={"split": 0.8})
    one, other = hpcadmm.train(how, kind(columns), value), hpcadmm.train(how, whole, "value", out=tmp_path / "run")
    import pyarrow.parquet as pq

    pq.write_table(whole, tmp_path / "a.parquet")
    file = hpcadmm.train(how, tmp_path / "a.parquet", "value")
    assert same(one, other)
    assert same(one, file)
    backwards = {name: columns[name] for name in ("size", "colour")}
    for model in (one, file, hpcadmm.load(tmp_path / "run")):
        np.testing.assert_array_equal(model.predict(kind(backwards)), one.predict(tmp_path / "a.parquet"))
        assert model.evaluate(kind(columns), value)["r2"] == file.evaluate(tmp_path / "a.parquet")["r2"]
    with pytest.raises(hpcadmm.UsageError, match="missing: colour; the file has size"):
        one.predict(kind({"size": X[:, 1]}))
    with pytest.raises(hpcadmm.UsageError, match="X has a column 'y'"):
        hpcadmm.train(how, kind({"y": X[:, 1]}), value)


def test_what_does_not_fit_is_refused_with_the_cure(tmp_path):
    classes = hpcadmm.train(job("hinge"), X, SIGN)
    for call, said in (
        (lambda: hpcadmm.train(job(), X), "X needs y, too"),
        (lambda: hpcadmm.train(job(), None, SIGN), "y and weight belong to X"),
        (lambda: hpcadmm.train(job()), "the data were in memory and are not kept in the run; give X and y again"),
        (lambda: hpcadmm.train(job(), X, SIGN[:5]), r"X is \(203, 4\), y is \(5,\); must be"),
        (lambda: hpcadmm.train(job(), X[:, 0], SIGN), r"X is \(203,\); must be \(samples, features\)"),
        (lambda: hpcadmm.train(job(), X, [None, *SIGN[1:]]), "y: row 1 is missing"),
        (lambda: hpcadmm.train(job(), [["a", "b"]], [1]), "X must hold numbers.*a table with names"),
        (lambda: hpcadmm.train(job(), X * 1j, SIGN), "X must hold numbers, not complex128"),
        (
            lambda: hpcadmm.train(job(), np.where(X > 60, np.nan, X), SIGN),
            r"column 2 .*nan is not a finite",
        ),
        (lambda: hpcadmm.train(job(), X, np.eye(4)[np.arange(203) % 4].astype(int)), "one-hot"),
        (lambda: hpcadmm.train(job("squared"), X, SIGN, weight=-np.ones(203)), "data.weight: .* must be from 0"),
        (lambda: hpcadmm.train(job(solver="adam", data={"shards": 999}), X, SIGN), "choose at most this number"),
        (lambda: classes.predict(X[:, :2]), "X has 2 features, but the network was trained on 4"),
        (lambda: classes.predict_proba(X), "the outputs are no probabilities; use predict or outputs"),
        (lambda: classes.evaluate(X), r"evaluate\(X\) needs y"),
        (lambda: classes.evaluate(X, VALUE), "has the label"),
        (classes.evaluate, "give X and y"),
        (lambda: hpcadmm.load(tmp_path / "nowhere"), "there is no run folder"),
        (lambda: hpcadmm.resume(classes), "the run was not saved"),
    ):
        with pytest.raises(hpcadmm.UsageError, match=said):
            call()


def test_only_what_is_documented_is_public():
    assert sorted(hpcadmm.__all__) == [name for name in dir(hpcadmm) if not name.startswith("_")]
    assert all(f"hpcadmm.{name}" in hpcadmm.__doc__ or name in ("Diverged", "Interrupted") for name in hpcadmm.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'; it has Callback, "):
        _ = hpcadmm.nothing


class Heard(hpcadmm.Callback):
    """What a callback hears, and a reason to stop at some iteration."""

    def __init__(self, stop=None):
        self.stop, self.found = stop, []

    def start(self, run):
        self.found.append(("start", run.iteration, run.folder, run.first))

    def row(self, run, row):
        self.found.append(("row", row["iteration"]))
        return "enough" if row["iteration"] == self.stop else None

    def checkpoint(self, run):
        self.found.append(("checkpoint", run.iteration))

    def end(self, run, summary):
        self.found.append(("end", summary["stop_reason"]))


@pytest.mark.parametrize("saved", [False, True])
def test_callbacks_hear_of_everything_once_and_may_stop_the_run(saved, tmp_path):
    out = tmp_path / "run" if saved else None
    heard, other = Heard(stop=8), Heard()
    model = hpcadmm.train(job(save={"every": 5}), X, SIGN, out=out, callbacks=[heard, other])
    expected = [("start", 0, out, True), ("row", 4), ("row", 8), ("end", "enough")]
    if saved:
        expected[2:2] = [("checkpoint", 5)]
        expected[-1:-1] = [("checkpoint", 8)]
    assert heard.found == other.found == expected
    assert (model.iteration, model.summary["state"]) == (8, "finished")


def test_a_callback_that_fails_ends_the_run():
    class Bad(hpcadmm.Callback):
        def row(self, run, row):
            raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        hpcadmm.train(job(), X, SIGN, callbacks=[Bad()])


class Signalled(hpcadmm.Callback):
    """Sends this process a signal in the middle of a run."""

    def __init__(self, number):
        self.number = number

    def row(self, run, row):
        if row["iteration"] == 4:
            os.kill(os.getpid(), self.number)


def test_ctrl_c_saves_raises_and_the_run_resumes_with_the_arrays(tmp_path):
    whole, before = hpcadmm.train(job(), X, SIGN), signal.getsignal(signal.SIGINT)
    for number, error in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, hpcadmm.Interrupted)):
        run = tmp_path / number.name
        with pytest.raises(error, match="continue with"):
            hpcadmm.train(job(), X, SIGN, out=run, callbacks=[Signalled(number)])
        assert read_summary(run)["state"] == "interrupted"
        with pytest.raises(hpcadmm.UsageError, match="the data were in memory"):
            hpcadmm.resume(run)
        with pytest.raises(hpcadmm.UsageError, match="the data are not those the run began with"):
            hpcadmm.resume(run, X + 1, SIGN)
        heard = Heard()
        assert same(hpcadmm.resume(run, X, SIGN, callbacks=[heard]), whole)
        assert heard.found[0] == ("start", 5, run, True)
    with pytest.raises(KeyboardInterrupt, match="nothing was saved"):
        hpcadmm.train(job(), X, SIGN, callbacks=[Signalled(signal.SIGINT)])
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_that_diverges_says_so():
    with pytest.raises(hpcadmm.Diverged, match="nothing was saved"):
        hpcadmm.train(job("squared", **{"solver.name": "sgd", "solver.rate": 100.0}), X, VALUE)


def test_a_run_begins_from_another(tmp_path):
    first = hpcadmm.train(job(), X, SIGN, out=tmp_path / "run")
    one = hpcadmm.train(job(stop={"iterations": 1}), X, SIGN, origin=first)
    other = hpcadmm.train(job(stop={"iterations": 1}), X, SIGN, origin=tmp_path / "run", out=tmp_path / "next")
    assert same(one, other)
    assert one.metrics == [] or one.metrics[0]["objective"] < first.metrics[0]["objective"]
    assert json.loads((tmp_path / "next" / "origin.json").read_text())["run"] == str((tmp_path / "run").absolute())


def test_nothing_is_written_unless_a_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hpcadmm.train(job(save={"every": 1, "best": "train_accuracy"}), X, SIGN)
    assert list(Path().iterdir()) == []


def test_kept_weights_are_copies():
    """A later iteration does not change the best ones."""
    kept = Kept()
    model = hpcadmm.train(job(save={"best": "objective"}), X, SIGN, callbacks=[kept])
    assert np.array_equal(kept.weights[0], model.trained.weights[1])
    assert kept.weights[0] is not model.trained.weights[1]
