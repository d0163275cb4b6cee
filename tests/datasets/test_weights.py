"""data.weight: weights of samples from classes, arrays and text files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.given.convert import convert
from hpcadmm.datasets.loaded import Loaded
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks

N, TESTS = 203, 37


@pytest.fixture
def arrays() -> dict[str, Any]:
    random = np.random.default_rng(3)
    made = {"X": random.standard_normal((N, 4)), "y": np.arange(N) % 7 % 3, "w": random.exponential(size=N)}
    return made | {"X_test": made["X"][:TESTS], "y_test": made["y"][:TESTS], "w_test": made["w"][:TESTS] + 1}


def written(folder: Path, kind: str, arrays: dict[str, Any]) -> Path:
    path = folder / f"data.{kind}"
    if kind == "npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
    return path


def load(path: Path, weight: Any, world: World | None = None, **options: Any) -> Loaded:
    kind = "npz" if path.suffix == ".npz" else "hdf5"
    dataset = DATASETS[kind](path=str(path), weight=weight, **options)
    return dataset.load(0, world or World.alone(), np.float32, ones=True)


def refused(path: Path, weight: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        load(path, weight, **options)
    return str(caught.value)


def test_balanced_gives_every_class_of_the_train_part_the_same_total(tmp_path: Path, arrays: dict[str, Any]) -> None:
    loaded = load(written(tmp_path, "npz", arrays), "balanced")
    w, labels = loaded.train.weight, loaded.train.labels
    totals = [w[labels == c].sum() for c in range(3)]
    np.testing.assert_allclose(totals, N / 3)  # n / (k n_c), as sklearn.utils.class_weight.compute_class_weight
    assert loaded.train.by_class
    assert loaded.test.weight is None
    assert any(line.startswith("weights of the classes: 0: ") for line in loaded.facts)


def test_class_weights_by_name(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = written(tmp_path, "npz", arrays)
    loaded = load(path, {"2": 5.0, "0": 0.25})
    np.testing.assert_array_equal(loaded.train.weight, np.array([0.25, 1.0, 5.0])[loaded.train.labels])
    grouped = load(path, {"others": 3.0}, positive=[1])
    np.testing.assert_array_equal(grouped.train.weight, np.array([3.0, 1.0])[grouped.train.labels])
    assert refused(path, {"7": 2.0}) == "data.weight: no class '7'; the classes are 0, 1, 2"
    assert "class '1' has the weight -1; must be from 0 to" in refused(path, {"1": -1.0})
    assert "all weights of the train part are 0" in refused(path, {"0": 0.0, "1": 0.0, "2": 0.0})


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_an_array_of_the_file_follows_its_rows(tmp_path: Path, arrays: dict[str, Any], kind: str) -> None:
    path = written(tmp_path, kind, arrays)
    loaded = load(path, "w", order="shuffled", first=100)
    by_row = dict(zip(map(tuple, arrays["X"].astype(np.float32).tolist()), arrays["w"], strict=True))
    raw = loaded.transform.inputs.undo(loaded.train.x[:4].astype(np.float64)).T
    nearest = [min(by_row, key=lambda row, x=x: np.abs(np.subtract(row, x)).max()) for x in raw]
    np.testing.assert_array_equal(loaded.train.weight, [by_row[row] for row in nearest])
    np.testing.assert_array_equal(loaded.test.weight, arrays["w_test"])
    assert not loaded.train.by_class
    assert load(path, "w").digest != load(path, None).digest
    held = load(path, "w", validation=0.3)
    assert sorted([*held.train.weight, *held.test.weight]) == sorted(arrays["w"])


def test_a_test_part_without_weights_counts_each_sample_once(tmp_path: Path, arrays: dict[str, Any]) -> None:
    del arrays["w_test"]
    loaded = load(written(tmp_path, "h5", arrays), "w")
    assert loaded.test.weight is None
    assert any("each sample counts once in metrics: data.weight = 'w_test'" in line for line in loaded.facts)


def test_a_text_file_beside_the_data(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = written(tmp_path, "npz", {"X": arrays["X"], "y": arrays["y"]})
    np.savetxt(tmp_path / "data.npz.weight", arrays["w"], "%.17g")
    loaded = load(path, "data.npz.weight", shuffle=False)
    np.testing.assert_array_equal(np.r_[loaded.train.weight, loaded.test.weight], arrays["w"])
    np.savetxt(tmp_path / "short", arrays["w"][:-1])
    assert f"short: {N - 1} weights, but {path} has {N} rows" in refused(path, "short")
    (tmp_path / "words").write_text("1\ntwo\n")
    assert "words: a file of weights has one number a line" in refused(path, "words")


@pytest.mark.parametrize("kind", ["npz", "h5"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.5, 1e300])
def test_bad_weights_are_named_with_their_row(tmp_path: Path, arrays: dict[str, Any], kind: str, bad: float) -> None:
    arrays["w"][101] = bad
    told = "is missing" if np.isnan(bad) else f"is {bad:g}"
    assert f"row 102 of w {told}; must be from 0 to 1e+30" in refused(written(tmp_path, kind, arrays), "w")


def test_weights_that_cannot_be(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = written(tmp_path, "h5", arrays | {"wide": np.ones((N, 2)), "none": np.zeros(N)})
    assert "has no array of this name" in refused(path, "v")
    assert f"the array is ({N}, 2); must be ({N},)" in refused(path, "wide")
    assert "all weights of the train part are 0" in refused(path, "none")
    assert "the targets are real, not classes" in refused(path, "balanced", task="regression")
    drawn = DATASETS["synthetic"](weight="w")
    with pytest.raises(UsageError, match="no columns to take weights from"):
        drawn.load(0, World.alone(), np.float32, ones=True)


@pytest.mark.parametrize("weight", ["balanced", "w", {"1": 2.5}])
def test_any_number_of_ranks_has_the_same_weights(tmp_path: Path, arrays: dict[str, Any], weight: Any) -> None:
    path = written(tmp_path, "h5", arrays)

    def work(world: World) -> Any:
        loaded = load(path, weight, world)
        return loaded.train.weight, loaded.digest

    whole, digest = work(World.alone())
    parts = on_ranks(3, work)
    np.testing.assert_array_equal(np.concatenate([w for w, _ in parts]), whole)
    assert {told for _, told in parts} == {digest}


def test_a_column_of_a_table_is_no_feature_and_its_faults_have_a_line(tmp_path: Path) -> None:
    lines = [f"{k % 5},{'ab'[k % 2]},{k % 4},{'yes' if k % 3 else 'no'}" for k in range(60)]

    def table(*rows: str) -> Any:
        (tmp_path / "a.csv").write_text("\n".join(["x,kind,w,y", *rows]))
        dataset = DATASETS["csv"](path=str(tmp_path / "a.csv"), weight="w", shuffle=False)
        return dataset.load(0, World.alone(), np.float64, ones=False)

    loaded = table(*lines)
    np.testing.assert_array_equal(np.r_[loaded.train.weight, loaded.test.weight], np.arange(60) % 4)
    assert [name.partition(" ")[0] for name in loaded.columns.names] == ["x", "kind", "kind"]
    for weight, told in (("-2", "is -2"), ("", "is missing")):
        with pytest.raises(UsageError, match=rf"a.csv: line 9, column 3 \(w\) {told}; must be from 0"):
            table(*lines[:7], f"1,a,{weight},no", *lines[8:])


def test_convert_keeps_the_weights_of_a_table(tmp_path: Path) -> None:
    lines = [f"{k % 5},{'ab'[k % 2]},{k % 4},{'yes' if k % 3 else 'no'}" for k in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["x,kind,w,y", *lines]))
    table = DATASETS["csv"](path=str(tmp_path / "a.csv"), weight="w")
    convert(table, tmp_path / "a.h5", World.alone(), dtype=None, compress=False, notes={}, force=False)
    one, other = table.load(0, World.alone(), np.float64, ones=False), load(tmp_path / "a.h5", "weight")
    np.testing.assert_array_equal(one.train.weight, other.train.weight)
    np.testing.assert_array_equal(one.test.weight, other.test.weight)
    np.testing.assert_allclose(one.train.x, other.train.x[:-1], rtol=1e-6)
    with pytest.raises(UsageError, match=r"data.weight: the raw values are written; set this option in the job"):
        convert(replace(table, weight="balanced"), tmp_path / "b.h5", World.alone(), dtype=None, compress=False,
                notes={}, force=False)  # fmt: skip
