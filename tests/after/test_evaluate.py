"""What evaluate says of runs in this process: against metrics.jsonl, against scikit-learn, on other data."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.metrics import (
    mean_absolute_error,
    precision_recall_fscore_support,
    r2_score,
    root_mean_squared_error,
)

from hpcadmm.after.evaluate import evaluate, shown
from hpcadmm.after.otherdata import matched
from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.errors import UsageError
from hpcadmm.model.scores import CHOICES
from tests.helpers.trainings import JOBS, named, outputs, samples, trained

Run = Callable[[str], Path]


def result(folder: Path, *data: str, part: str | None = None, iteration: int | None = None) -> dict[str, Any]:
    return evaluate(folder, data, part, iteration, World.alone(), lambda line: None)


def last_row(folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    return row


@pytest.mark.parametrize("name", [*JOBS, "regression"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_agrees_with_the_last_row_of_the_metrics(run: Run, name: str, part: str) -> None:
    folder = run(name)
    found, row = result(folder, part=part), last_row(folder)
    chosen = [key for key in row if key.removeprefix(f"{part}_") in CHOICES]
    assert len(chosen) == {"leaky": 2, "regression": 1 + (part == "test")}.get(name, 0)
    for key in chosen:
        told = found.get(
            score := key.removeprefix(f"{part}_"), found.get("macro", {}).get(score.removeprefix("macro_"))
        )
        assert told == pytest.approx(row[key], rel=1e-6 if name == "leaky" else 1e-12)
    if name == "regression":
        assert found["mean_squared_error"] == row[f"{part}_error"]
    else:
        assert found["accuracy"] == row[f"{part}_accuracy"]
        assert np.sum(found["confusion"]) == found["samples"]
        assert [sum(counts) for counts in found["confusion"]] == [row["support"] for row in found["classes"]]


@pytest.mark.parametrize("name", list(JOBS))
def test_classes_are_measured_as_scikit_learn_does(run: Run, name: str) -> None:
    found = result(run(name))
    confusion = np.array(found["confusion"])
    true, told = (np.repeat(grid.ravel(), confusion.ravel()) for grid in np.indices(confusion.shape))
    expected = precision_recall_fscore_support(true, told, labels=range(len(confusion)), zero_division=np.nan)
    for key, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        measured = [np.nan if row[key] is None else row[key] for row in found["classes"]]
        np.testing.assert_allclose(measured, values, err_msg=key)


def test_a_regression_is_measured_in_the_units_of_its_data(run: Run) -> None:
    folder = run("regression")
    found = result(folder)
    network = trained(folder)
    data = np.load(folder.parent / "data.npz")
    assert network.transform.targets is not None
    values = network.transform.targets.undo(outputs(network, data["X_test"])).T
    error = values - data["y_test"]
    np.testing.assert_allclose([t["rmse"] for t in found["targets"]], np.sqrt((error**2).mean(axis=0)))
    np.testing.assert_allclose([t["mae"] for t in found["targets"]], np.abs(error).mean(axis=0))
    expected = r2_score(data["y_test"], values, multioutput="raw_values")
    np.testing.assert_allclose([t["r2"] for t in found["targets"]], expected)
    assert [found[key] for key in ("rmse", "mae")] == pytest.approx(
        [root_mean_squared_error(data["y_test"], values), mean_absolute_error(data["y_test"], values)]
    )
    assert found["r2"] == pytest.approx(r2_score(data["y_test"], values))
    assert found["error"] == found["mean_squared_error"]


def test_all_is_train_and_test_together(run: Run) -> None:
    folder = run("digits")
    parts = [result(folder, part=part) for part in ("train", "test", "all")]
    assert parts[2]["samples"] == 1797
    np.testing.assert_array_equal(parts[2]["confusion"], np.add(parts[0]["confusion"], parts[1]["confusion"]))


def raw_digits(folder: Path, first: int) -> tuple[np.ndarray, np.ndarray]:
    """The first test digits of a run as they are in the file."""
    network = trained(folder)
    loaded = DATASETS["digits"](first_test=first, scale="none").load(0, World.alone(), np.float64, ones=False)
    assert loaded.features == network.features
    return loaded.test.x.T, loaded.test.labels


def test_other_data_are_scaled_as_the_training_was(run: Run, tmp_path: Path) -> None:
    folder = run("digits")
    x, y = raw_digits(folder, 100)
    np.savez(tmp_path / "a.npz", X=x, y=y)
    found, own = result(folder, str(tmp_path / "a.npz")), result(folder, "first_test=100")
    assert (found["data"], found["part"], found["samples"]) == ("npz", "all", 100)
    assert found["confusion"] == own["confusion"]
    told = result(folder, "name=npz", f"path={tmp_path}", "train=a.npz", "split=0.5", part="train")
    assert told["samples"] == 50


def test_classes_of_other_data_are_found_by_name(run: Run, tmp_path: Path) -> None:
    folder = run("digits")
    x, y = raw_digits(folder, 200)
    some = np.isin(y, [9, 4])
    np.savetxt(tmp_path / "a.csv", np.column_stack([x, y])[some], delimiter=",", fmt="%g")
    found = result(folder, f"data.path={tmp_path / 'a.csv'}", "name=csv")
    assert [row["support"] for row in found["classes"]] == [(y == c).sum() if c in (4, 9) else 0 for c in range(10)]
    (tmp_path / "a.toml").write_text(f'[data]\nname = "csv"\npath = "{tmp_path / "a.csv"}"\n')
    assert result(folder, str(tmp_path / "a.toml"))["confusion"] == found["confusion"]


def test_classes_with_other_names_are_matched_by_position_with_a_warning(run: Run, tmp_path: Path) -> None:
    x, y = raw_digits(run("digits"), 200)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"], file["y"] = x, y
        file["y"].attrs["names"] = json.dumps(list("abcdefghij"))
    said: list[str] = []
    found = evaluate(run("digits"), [str(tmp_path / "a.h5")], None, None, World.alone(), said.append)
    assert [row["support"] for row in found["classes"]] == np.bincount(y).tolist()
    assert len(said) == 1
    assert "matched by position: a = 0, b = 1" in said[0]
    evaluate(run("regression"), [], None, None, World.alone(), said.append)
    assert len(said) == 1


def test_classes_that_do_not_belong_are_refused() -> None:
    assert matched(["a", "b"], ["b", "a"]) == [1, 0]
    for names in (["0", "10"], [str(i) for i in range(1, 11)], ["cat"]):
        with pytest.raises(UsageError, match="but not"):
            matched(names, [str(i) for i in range(10)])


def test_an_earlier_checkpoint(run: Run) -> None:
    folder = run("digits")
    assert result(folder, iteration=3)["iteration"] == 3
    assert result(folder, iteration=6) == result(folder)
    with pytest.raises(UsageError, match=r"--iteration 4: .* it has 3, 6"):
        result(folder, iteration=4)


def test_a_damaged_checkpoint_is_passed_over(run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run("digits"), tmp_path / "copy")
    damaged = folder / "checkpoints" / "iteration-0000000006" / "checkpoint.h5"
    damaged.write_bytes(damaged.read_bytes()[:-500])
    said: list[str] = []
    assert evaluate(folder, [], None, None, World.alone(), said.append)["iteration"] == 3
    assert "iteration-0000000006" in said[0]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (["name=california"], "california"),
        (["nonsense"], "neither a file nor a dataset"),
        (["nope=1"], "nope: unknown key"),
        (["first=0"], r"data.first = 0"),
        (["downsample=2"], "16 features, but the network was trained on 64"),
        (["split=1.0"], "the test part has no samples"),
    ],
)
def test_data_that_will_not_do(run: Run, data: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        result(run("digits"), *data)


def test_targets_and_classes_are_not_confused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="npz: has classes, but the network was trained on real targets"):
        result(run("regression"), "targets=y", "task=classification", f"path={labelled(tmp_path)}")
    with pytest.raises(UsageError, match="npz: 4 features, but the network was trained on 64"):
        result(run("digits"), str(samples(tmp_path)))


def labelled(folder: Path) -> Path:
    np.savez(folder / "labelled.npz", X=np.ones((9, 4)), y=np.arange(9) % 3)
    return folder / "labelled.npz"


def test_what_people_see(run: Run) -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for name in ("digits", "regression"):
        for part in shown(result(run(name))):
            console.print(part)
    text = console.export_text()
    assert "digits, iteration 6, test part of digits, 360 samples: accuracy 0.7556" in " ".join(text.split())
    assert "true \\ predicted" in text
    assert "mean squared error" in text


def test_columns_of_other_data_are_found_by_their_names(run: Run, tmp_path: Path) -> None:
    folder = run("table")
    straight = result(folder, str(named(tmp_path, "a,b,c,d,label")))
    for columns in ("d,c,b,a,label", "label,b,a,d,c"):
        assert result(folder, str(named(tmp_path, columns)))["confusion"] == straight["confusion"]
    with pytest.raises(UsageError, match="the target label is missing"):
        result(folder, str(named(tmp_path, "d,c,b,a")))
