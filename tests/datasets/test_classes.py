"""What is a class: one class, booleans, float-valued, one-hot and very large labels, in every format."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.training.setup import Setup, set_up

X = np.random.default_rng(0).standard_normal((24, 3))
THREE = np.arange(24) % 3
JOB = """
[data]
name = "{kind}"
path = "{path}"
{more}
[loss]
name = "{loss}"
[solver]
name = "adam"
"""


def write(folder: Path, kind: str, y: Any) -> Path:
    path = folder / f"a.{kind}"
    if kind == "npz":
        np.savez(path, X=X, y=y)
    elif kind == "hdf5":
        with h5py.File(path, "w") as file:
            file["X"], file["y"] = X, y
    else:
        sign = {"csv": ",", "libsvm": " "}[kind]
        rows = [[f"{k + 1}:{v}" if kind == "libsvm" else str(v) for k, v in enumerate(row)] for row in X]
        labels = [str(v) for v in y.tolist()]
        lines = [[label, *row] if kind == "libsvm" else [*row, label] for label, row in zip(labels, rows, strict=True)]
        path.write_text("".join(sign.join(line) + "\n" for line in lines))
    return path


def posed(folder: Path, kind: str, y: Any, more: str = "", loss: str = "cross-entropy") -> Setup:
    text = JOB.format(kind=kind, path=write(folder, kind, y), more=more, loss=loss)
    return set_up(parse(text), World.alone())


def refused(said: str, *given: Any, **options: Any) -> None:
    with pytest.raises(UsageError, match=said) as found:
        posed(*given, **options)
    assert "regression" not in str(found.value)


arrays = pytest.mark.parametrize("kind", ["npz", "hdf5"])
texts = pytest.mark.parametrize("kind", ["csv", "libsvm"])
every = pytest.mark.parametrize("kind", ["csv", "libsvm", "npz", "hdf5"])


@every
@pytest.mark.parametrize("loss", ["cross-entropy", "hinge", "squared"])
def test_one_class_is_no_classification(kind: str, loss: str, tmp_path: Path) -> None:
    refused("all 24 labels are 1: a classification needs two classes", tmp_path, kind, np.ones(24, int), loss=loss)


@every
def test_one_class_in_the_train_part(kind: str, tmp_path: Path) -> None:
    refused("all 12 labels of the train part are 4: a classification needs two classes; see data.shuffle", tmp_path,
            kind, np.repeat([4, 9], 12), "shuffle = false\nsplit = 0.5")  # fmt: skip


@every
@pytest.mark.parametrize(("y", "names"), [
    (THREE + 1, ["1", "2", "3"]),
    (2 * (THREE % 2) - 1, ["-1", "1"]),
    (THREE * 1000 - 7, ["-7", "993", "1993"]),
    (THREE.astype(np.int8), ["0", "1", "2"]),
])  # fmt: skip
def test_whole_numbers_are_classes(kind: str, y: Any, names: list[str], tmp_path: Path) -> None:
    assert posed(tmp_path, kind, y).data.names == names


@arrays
@pytest.mark.parametrize("y", [THREE > 0, (THREE > 0)[:, None]])
def test_booleans_are_classes(kind: str, y: Any, tmp_path: Path) -> None:
    assert posed(tmp_path, kind, y).data.names == ["0", "1"]


@arrays
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_labels_ask_for_the_task(kind: str, dtype: Any, tmp_path: Path) -> None:
    y = (THREE + 1).astype(dtype)
    said = f'cross-entropy" needs class labels; y is {np.dtype(dtype)}, so its values are read as real targets; for'
    refused(said, tmp_path, kind, y)
    assert posed(tmp_path, kind, y, 'task = "classification"').data.names == ["1", "2", "3"]
    assert posed(tmp_path, kind, y, loss="squared").problem.classes == 0  # a regression with few values


@texts
def test_float_labels_in_text_are_classes(kind: str, tmp_path: Path) -> None:
    assert posed(tmp_path, kind, (THREE + 1.0)).data.names == ["1", "2", "3"]


@every
def test_a_regression_with_few_values_stays_one(kind: str, tmp_path: Path) -> None:
    found = posed(tmp_path, kind, THREE, 'task = "regression"\nstandardise_targets = false', "squared")
    assert found.problem.classes == 0
    assert set(np.unique(found.data.train.labels)) <= {0.0, 1.0, 2.0}


@arrays
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float64, bool])
def test_one_hot_asks_for_class_numbers(kind: str, dtype: Any, tmp_path: Path) -> None:
    y = (THREE[:, None] == np.arange(3)).astype(dtype)
    said = r"y is \(24, 3\): one-hot\? Give the class numbers"
    refused(said, tmp_path, kind, y)
    refused(said, tmp_path, kind, y, 'task = "classification"')


@arrays
def test_large_labels_are_kept_exactly(kind: str, tmp_path: Path) -> None:
    y = 2**53 + THREE
    assert posed(tmp_path, kind, y).data.names == [str(2**53 + k) for k in range(3)]
    assert posed(tmp_path, kind, (y + 2**60)[:, None]).data.classes == 3
    refused(r"row 2 has the label 9223372036854775808: .* number the classes 0, 1, 2", tmp_path, kind,
            2**63 - 1 + THREE.astype(np.uint64))  # fmt: skip


@every
def test_labels_that_float64_cannot_tell_apart_are_refused(kind: str, tmp_path: Path) -> None:
    said = "row 1 has the label 9007199254740992.0: too large for an exact integer; number the classes"
    in_table = 'target 4: 9007199254740992, .*: too large for an exact number; set data.types.4 = "category"'
    refused(in_table if kind == "csv" else said, tmp_path, kind, 2.0**53 + 2 * THREE, 'task = "classification"')


@arrays
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_missing_label(kind: str, value: float, tmp_path: Path) -> None:
    y = THREE.astype(float)
    y[5] = value
    refused(f"row 6 has the label {value}: not a label; give it a class, or remove the row", tmp_path, kind, y,
            'task = "classification"')  # fmt: skip


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="object"):
        posed(tmp_path, "npz", THREE.astype(object))
