"""Tables as users have them, from the file to predictions of its own raw rows, with nothing set but what must be."""

from pathlib import Path

import numpy as np
import pytest

from hpcadmm.errors import UsageError
from tests.helpers import looks, wild, wilder
from tests.helpers.looks import Look
from tests.helpers.rounds import Round, accuracy, rmse, trained


@pytest.fixture(autouse=True)
def same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "random", np.random.default_rng(14))


def around(place: Path, look: Look) -> Round:
    path = place / "data.csv"
    path.write_bytes(look.written())
    return trained(place, {"name": "csv", "path": str(path), **look.options}, look.loss)


def assert_same_numbers(done: Round, look: Look, path: Path) -> None:
    """The predictions of the raw rows reach what evaluate says."""
    found = done.evaluated()
    if look.loss == "cross-entropy":
        assert accuracy(done.predicted(path), look.truth) == pytest.approx(found["accuracy"], abs=1e-12)
    else:
        target = np.atleast_1d(look.target)[0]
        values = done.predicted(path, target)
        assert rmse(values, look.columns[target]) == pytest.approx(found["targets"][0]["rmse"], rel=1e-9)


@pytest.mark.parametrize("maker", [*wild.REAL, *wilder.OTHERS], ids=lambda maker: maker.__name__)
def test_raw_rows_are_predicted_as_in_the_training(tmp_path: Path, maker: looks.Maker) -> None:
    """Also with the columns in another order, or without the target."""
    look = maker()
    done = around(tmp_path, look)
    assert_same_numbers(done, look, tmp_path / "data.csv")
    whole, bare = done.predicted(tmp_path / "data.csv"), tmp_path / "bare.csv"
    bare.write_bytes(look.written(look.others[::-1] if look.header else look.others))
    assert done.predicted(bare) == whole


def test_labels_of_a_test_file_may_end_in_a_dot(tmp_path: Path) -> None:
    """As in adult.test."""
    look = wild.adult(90)
    train, test = look.part(0, 60), look.part(60, 90)
    dotted = {**test.columns, "income": [f"{cell}." for cell in test.columns["income"]]}
    (tmp_path / "adult.data").write_bytes(train.written())
    (tmp_path / "adult.test").write_bytes(Look(dotted, "income", header=False, separator=", ").written())
    data = {"name": "csv", "path": str(tmp_path / "adult.data"), "test": "adult.test"}
    done = trained(tmp_path, data, "cross-entropy")
    assert done.evaluated(part="test")["accuracy"] == pytest.approx(
        accuracy(done.predicted(tmp_path / "adult.test"), test.truth), abs=1e-12
    )


def test_libsvm(tmp_path: Path) -> None:
    """As a9a: labels -1 and +1, the last feature only in the test file."""
    random = np.random.default_rng(3)
    labels, lines = [], []
    for k in range(60):
        there = sorted(random.choice(np.arange(1, 13 if k >= 40 else 12), 5, replace=False))
        labels.append("1" if 3 in there else "-1")
        lines.append(f"{'+1' if 3 in there else '-1'} " + " ".join(f"{i}:1" for i in there) + " \n")
    (tmp_path / "a9a").write_text("".join(lines[:40]))
    (tmp_path / "a9a.t").write_text("".join(lines[40:]))
    data = {"name": "libsvm", "path": str(tmp_path), "train": "a9a", "test": "a9a.t"}
    done = trained(tmp_path, data, "cross-entropy")
    assert accuracy(done.predicted(tmp_path / "a9a.t"), labels[40:]) == done.evaluated(part="test")["accuracy"]


def test_columns_of_ids_alone_are_named_or_refused(tmp_path: Path) -> None:
    n = 100
    ids = {"key": [f"id-{k}" for k in range(n)], "y": looks.texts(n, "a", "b")}
    with pytest.raises(UsageError, match="no column is left as a feature: key: a different text in nearly each row"):
        around(tmp_path, Look(ids, "y"))
    done = around(tmp_path, Look({"row": [str(k) for k in range(n)], **ids}, "y"))
    assert "the only features are columns of ids, which count rows: row" in " ".join(done.said)


def test_a_target_without_any_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no row has a target: the column y is empty"):
        around(tmp_path, Look({"x": looks.numbers(40), "y": ["?"] * 40}, "y"))
