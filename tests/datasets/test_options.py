"""Options of [data], where files are sought, and how raw rows become samples."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.choose import shuffled, split
from hpcadmm.datasets.fill import averaged, visits
from hpcadmm.datasets.loaded import Loaded
from hpcadmm.datasets.table import Source
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks
from tests.helpers.samples import TEST, TRAIN, idx_images, images, made, rows, text


def load(dataset: Dataset, dtype: Any = np.float64) -> Loaded:
    return dataset.load(0, World.alone(), dtype, ones=False)


def csv_file(path: Path, table: Any, head: str = "") -> Path:
    path.write_bytes(text(table, head))
    return path


@given(st.lists(st.integers(0, 200), unique=True, min_size=1), st.integers(1, 50))
def test_visits_collect_every_row_once(wanted: list[int], stride: int) -> None:
    column, out, last = np.arange(201), np.full(len(wanted), -1), 0
    for start, stop, got, put in visits(np.array(wanted), stride):
        assert last <= start < stop <= start + stride
        out[put], last = column[start:stop][got], stop
    assert out.tolist() == wanted


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 50))
def test_visits_of_a_range(start: int, count: int, stride: int) -> None:
    column, out = np.arange(200), np.full(count, -1)
    for lo, hi, got, put in visits(range(start, start + count), stride):
        out[put] = column[lo:hi][got]
    assert out.tolist() == list(range(start, start + count))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_averaging_is_the_mean_of_the_pixels(factor: int, high: int, wide: int, channels: int, seed: int) -> None:
    shape = (channels, high * factor, wide * factor)
    pixels = np.random.default_rng(seed).integers(0, 256, (3, *shape), np.uint8)
    small = averaged(pixels.reshape(3, -1), shape, factor).reshape(3, channels, high, wide)
    for y in range(high):
        for x in range(wide):
            patch = pixels[:, :, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
            np.testing.assert_array_equal(small[:, :, y, x], patch.mean(axis=(2, 3)))


@given(st.integers(1, 500), st.floats(0.01, 1), st.booleans(), st.integers(0, 2**32))
def test_a_split_has_every_row_once(n: int, fraction: float, shuffle: bool, seed: int) -> None:
    train, test = split(Source(None, range(10, 10 + n)), fraction, shuffle, seed)  # type: ignore[arg-type]
    both = [*train.rows, *test.rows]
    assert sorted(both) == list(range(10, 10 + n))
    assert shuffle or both == sorted(both)
    assert n * fraction - 1 - 1e-9 < len(train.rows) <= n * fraction + 1e-9


def test_the_fraction_is_read_as_decimal() -> None:
    assert len(split(Source(None, range(100)), 0.29, False, 0)[0].rows) == 29  # type: ignore[arg-type]


def test_the_permutation_is_the_same_for_ever() -> None:
    assert shuffled(8, 7).tolist() == [6, 3, 4, 0, 2, 7, 5, 1]


def test_the_digits_are_the_known_ones() -> None:
    loaded = load(DATASETS["digits"](scale="none"))
    assert (loaded.train.n, loaded.test.n, loaded.features, loaded.classes) == (1437, 360, 64, 10)
    counts = np.bincount(np.concatenate([loaded.train.labels, loaded.test.labels]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    sklearn = pytest.importorskip("sklearn.datasets").load_digits()
    ordered = load(DATASETS["digits"](scale="none", shuffle=False, split=1.0)).train
    np.testing.assert_array_equal(ordered.x.T, sklearn.data)
    np.testing.assert_array_equal(ordered.labels, sklearn.target)


def test_the_digits_say_where_they_come_from() -> None:
    import h5py

    source, _ = DATASETS["digits"]().parts(0)
    with h5py.File(source.table.files[0]) as file:
        assert {"source", "licence", "citation"} <= set(file.attrs)
        assert "CC BY 4.0" in file.attrs["licence"]
    assert load(DATASETS["digits"]()).train.x.max() == 1.0


def test_scales(tmp_path: Path) -> None:
    x, _ = rows(100, 4, 5)
    x[:, 2], x[:, 3] = 7.0, 0.0
    path = csv_file(tmp_path / "a.csv", np.column_stack([x, np.arange(100) * 2.0]))
    options: dict[str, Any] = {"path": str(path), "task": "regression", "shuffle": False}
    raw = load(DATASETS["csv"](**options, scale="none"))
    np.testing.assert_array_equal(raw.train.x.T, x[:80])
    unit = load(DATASETS["csv"](**options, scale="unit")).train.x
    assert (unit[:2].min(axis=1).tolist(), unit[:2].max(axis=1).tolist()) == ([0, 0], [1, 1])
    assert not unit[2:].any()  # constant features
    top = load(DATASETS["csv"](**options, scale="max"))
    np.testing.assert_array_equal(top.train.x[:3], x[:80, :3].T / x[:80, :3].max(axis=0)[:, None])
    assert not top.train.x[3].any()
    np.testing.assert_array_equal(top.test.labels, np.arange(80, 100) * 2 / 158)
    both = load(DATASETS["csv"](**options, standardise=True, standardise_targets=True))
    assert not both.train.x[2:].any()
    np.testing.assert_allclose([both.train.labels.mean(), both.train.labels.std()], [0, 1], atol=1e-14)
    assert both.transform.targets is not None
    np.testing.assert_allclose(both.transform.targets.undo(both.test.labels[None])[0], np.arange(80, 100) * 2)


def test_images_are_scaled_by_their_range(tmp_path: Path) -> None:
    loaded = load(made("mnist", tmp_path), np.float32)
    x, y = images(TRAIN, 36, 10, 1)
    np.testing.assert_array_equal(loaded.train.x.T, (x / 255.0).astype(np.float32))
    np.testing.assert_array_equal(loaded.train.labels, y)


def test_downsampling(tmp_path: Path) -> None:
    x, _ = images(TRAIN, 36, 10, 1)
    small = load(made("mnist", tmp_path, downsample=3, scale="none"))
    expected = x.reshape(-1, 2, 3, 2, 3).astype(float).mean(axis=(2, 4)).reshape(-1, 4)
    np.testing.assert_allclose(small.train.x.T, expected, rtol=1e-15)
    with pytest.raises(UsageError, match=r"downsample = 4: allowed for images of 6 x 6 are \[1, 2, 3, 6\]"):
        load(made("mnist", tmp_path, downsample=4))
    assert load(made("cifar-10", tmp_path, downsample=2)).features == 16 * 16 * 3
    with pytest.raises(UsageError, match="holds no images"):
        load(made("csv", tmp_path, downsample=2))


def test_class_subset_in_the_given_order_with_names(tmp_path: Path) -> None:
    loaded = load(made("fashion-mnist", tmp_path, classes=[9, 2]))
    _, y = images(TRAIN, 36, 10, 1)
    assert loaded.names == ["ankle boot", "pullover"]
    np.testing.assert_array_equal(loaded.train.labels, (y[np.isin(y, [2, 9])] == 2).astype(int))
    pair = load(made("fashion-mnist", tmp_path, classes=[9, 2, 4], positive=[2, 4]))
    assert pair.names == ["others", "pullover or coat"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": [3, 11]}, r"data.classes: no label \[11\]; the labels are 0, 1"),
        ({"positive": [12]}, r"data.positive: no label \[12\]"),
        ({"classes": [1, 2], "positive": [1, 2]}, "name some, not all"),
        ({"classes": [1, 2], "positive": [3]}, "name some, not all"),
        ({"classes": [1, 1]}, "each once"),
        ({"positive": []}, "at least one label"),
        ({"split": 0.5}, "has its own test part"),
        ({"standardise": True, "scale": "unit"}, "choose one of the two"),
        ({"standardise_targets": True}, "has classes, not real targets"),
    ],
)
def test_options_that_will_not_do(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        load(made("mnist", tmp_path, **options))


def test_the_train_part_must_not_be_empty() -> None:
    with pytest.raises(UsageError, match="the train part has no samples"):
        load(DATASETS["digits"](split=0.0001))


def test_a_split_of_one_leaves_an_empty_test_part(tmp_path: Path) -> None:
    loaded = load(DATASETS["digits"](split=1.0, standardise=True))
    assert (loaded.train.n, loaded.test.n, loaded.test.x.shape) == (1797, 0, (64, 0))


def test_cifar_takes_the_batches_that_are_there(tmp_path: Path) -> None:
    loaded = load(made("cifar-10", tmp_path, scale="none"))
    (x, y), (x2, y2) = images(70, 3072, 10, 1), images(31, 3072, 10, 2)
    np.testing.assert_array_equal(loaded.train.x.T, np.concatenate([x, x2]))
    np.testing.assert_array_equal(loaded.train.labels, np.concatenate([y, y2]))
    one = load(made("cifar-10", tmp_path, train="data_batch_2.bin"))
    assert one.train.n == 31


def test_cifar_100_has_fine_and_coarse_labels(tmp_path: Path) -> None:
    _, y = images(TRAIN, 3072, 100, 1)
    assert (load(made("cifar-100", tmp_path)).train.labels == y).all()
    coarse = load(made("cifar-100", tmp_path, labels="coarse"))
    assert (coarse.train.labels == y // 5).all()
    assert coarse.classes == 20


def test_svhn_calls_the_digit_zero_zero(tmp_path: Path) -> None:
    x, y = images(TRAIN, 3072, 10, 1)
    loaded = load(made("svhn", tmp_path, scale="none"))
    np.testing.assert_array_equal(loaded.train.labels, y)
    np.testing.assert_array_equal(loaded.train.x.T, x)


def test_higgs_has_its_test_part_at_the_end(tmp_path: Path) -> None:
    x, y = rows(TRAIN + TEST, 28, 1)
    loaded = load(made("higgs", tmp_path))
    np.testing.assert_array_equal(np.concatenate([loaded.train.x, loaded.test.x], axis=1).T, x)
    np.testing.assert_array_equal(loaded.test.labels, y[TRAIN:] > 0)


def test_california_columns_are_those_chosen_in_their_order(tmp_path: Path) -> None:
    table = np.arange(1.0, 46.0).reshape(5, 9)
    csv_file(tmp_path / "cal_housing.data", table)
    options = {"path": str(tmp_path), "split": 1.0, "shuffle": False}
    loaded, whole = (load(DATASETS["california"](**options, **chosen)) for chosen in ({"columns": [6, 0]}, {}))
    assert loaded.features == 2
    np.testing.assert_array_equal(loaded.train.x, table[:, [6, 0]].T)
    np.testing.assert_array_equal(loaded.train.labels, table[:, 8])
    assert loaded.digest != whole.digest
    for wrong in ([], [0, 0], [8], [-1]):
        with pytest.raises(UsageError, match=r"data.columns = .*features 0 to 7"):
            load(DATASETS["california"](**options, columns=wrong))


def test_parts_cut_the_train_part_evenly_and_leave_the_test_part(tmp_path: Path) -> None:
    loaded = DATASETS["digits"](first=23, first_test=200).load(0, World.alone(), np.float64, ones=True, parts=5)
    assert [t.stop - t.start for _, t in loaded.train.tiles] == [4, 5, 4, 5, 5]
    assert [t.stop - t.start for _, t in loaded.test.tiles] == [64, 64, 64, 8]


def test_csv_columns_headers_and_delimiters(tmp_path: Path) -> None:
    x, y = rows(30, 3, 1)
    raw: dict[str, Any] = {"split": 1.0, "scale": "none"}
    expected = load(DATASETS["csv"](path=str(csv_file(tmp_path / "a.csv", np.column_stack([x, y]))), **raw)).train
    np.testing.assert_array_equal(expected.x.T[np.argsort(shuffled(30, 0))], x)
    moved = csv_file(tmp_path / "b.csv", np.column_stack([x[:, :1], y, x[:, 1:]]), "a,kind,b,c\n")
    for target in (1, -3, "kind"):
        found = load(DATASETS["csv"](path=str(moved), target=target, **raw)).train
        np.testing.assert_array_equal(found.x, expected.x)
        np.testing.assert_array_equal(found.labels, expected.labels)
    blanks = tmp_path / "c.txt"
    lines = text(np.column_stack([x, y])).replace(b",", b"   ").replace(b"\n", b"\r\n\r\n")
    blanks.write_bytes(b"\xef\xbb\xbf" + gzip.compress(lines)[:0] + lines)
    np.testing.assert_array_equal(load(DATASETS["csv"](path=str(blanks), delimiter=" ", **raw)).train.x, expected.x)
    for wrong in (4, -5, "sort"):
        with pytest.raises(UsageError, match=f"data.target = {wrong!r}"):
            load(DATASETS["csv"](path=str(moved), target=wrong))


def test_csv_labels_become_classes_in_their_order(tmp_path: Path) -> None:
    table = np.column_stack([np.arange(6.0), [5, -1, 5, 30, -1, 5]])
    loaded = load(DATASETS["csv"](path=str(csv_file(tmp_path / "a.csv", table)), shuffle=False, split=1.0))
    assert loaded.names == ["-1", "5", "30"]
    assert loaded.train.labels.tolist() == [1, 0, 1, 2, 0, 1]


def test_libsvm_is_sparse_and_counts_from_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("+1 1:0.5 4:2 # a comment\n-1 2:-1e3\n\n+1\n")
    options: dict[str, Any] = {"path": str(path), "shuffle": False, "split": 1.0}
    loaded = load(DATASETS["libsvm"](**options))
    assert loaded.train.x.T.tolist() == [[0.5, 0, 0, 2], [0, -1000, 0, 0], [0, 0, 0, 0]]
    assert loaded.names == ["-1", "1"]
    assert load(DATASETS["libsvm"](**options, features=9)).features == 9
    assert load(DATASETS["libsvm"](**options, zero_based=True)).features == 5
    with pytest.raises(UsageError, match="the highest index needs 4"):
        load(DATASETS["libsvm"](**options, features=3))


@pytest.mark.parametrize("kind", ["hdf5", "npz"])
def test_archives_with_other_names_several_targets_and_images(kind: str, tmp_path: Path) -> None:
    import h5py

    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 256, (50, 4, 6), np.uint8),
        "digit": rng.integers(0, 3, 50),
        "pair": rng.standard_normal((50, 2)),
        "real": rng.standard_normal(50),
    }
    path = tmp_path / "data"
    if kind == "npz":
        np.savez(tmp_path / "data.npz", **arrays)
        path = tmp_path / "data.npz"
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[f"group/{name}"] = array
    inside = "group/" if kind == "hdf5" else ""
    options: dict[str, Any] = {"path": str(path), "shuffle": False, "split": 1.0, "inputs": f"{inside}images"}
    one = load(DATASETS[kind](**options, targets=f"{inside}digit", downsample=2))
    assert (one.features, one.classes, one.train.x.max() <= 1) == (6, 3, True)
    two = load(DATASETS[kind](**options, targets=f"{inside}pair"))
    np.testing.assert_array_equal(two.train.labels, arrays["pair"].T)
    assert two.classes == 0
    assert load(DATASETS[kind](**options, targets=f"{inside}real")).train.labels.shape == (50,)
    assert load(DATASETS[kind](**options, targets=f"{inside}digit", task="regression")).classes == 0


def test_synthetic_data_are_balanced_and_drawn_by_their_seed() -> None:
    job = DATASETS["synthetic"](samples=3000, outputs=4)
    one, again = load(job), load(job)
    assert np.bincount(one.train.labels).min() > 300
    assert one.train.x.tobytes() == again.train.x.tobytes()
    other = job.load(1, World.alone(), np.float64, ones=False)
    assert one.train.x.tobytes() != other.train.x.tobytes()
    assert one.digest != other.digest
    longer = load(DATASETS["synthetic"](samples=4000, outputs=4))
    np.testing.assert_array_equal(longer.train.x[:, :3000], one.train.x)
    real = load(DATASETS["synthetic"](task="regression", outputs=2, noise=0.5))
    assert real.train.labels.shape == (2, 10_000)
    np.testing.assert_allclose(real.train.labels.std(axis=1), np.sqrt(1.25), rtol=0.1)
    with pytest.raises(UsageError, match="needs 2 or more"):
        DATASETS["synthetic"](outputs=1)


def test_synthetic_features_that_matter_and_their_correlation() -> None:
    told = {"task": "regression", "outputs": 1, "hidden": [], "features": 9}
    drawn = load(DATASETS["synthetic"](**told, informative=3, correlation=0.6)).train
    np.testing.assert_allclose(np.corrcoef(drawn.x), 0.4 * np.eye(9) + 0.6, atol=0.03)
    np.testing.assert_allclose(drawn.x.std(axis=1), 1, atol=0.02)
    w, rest, *_ = np.linalg.lstsq(np.vstack([drawn.x, np.ones(10_000)]).T, np.atleast_2d(drawn.labels)[0], rcond=None)
    assert rest < 1e-20
    assert abs(w[:3]).min() > 1e-3
    assert abs(w[3:9]).max() < 1e-12
    with pytest.raises(UsageError, match="there are 9 features"):
        DATASETS["synthetic"](**told, informative=10)


def test_where_files_are_sought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("mnist", tmp_path / "mnist")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="HPCADMM_DATA"):
        load(DATASETS["mnist"]())
    assert load(DATASETS["mnist"](path="mnist")).train.n == TRAIN  # from the working folder
    monkeypatch.setenv("HPCADMM_DATA", str(tmp_path))
    assert load(DATASETS["mnist"]()).train.n == TRAIN  # a subfolder of the variable's
    monkeypatch.setenv("HPCADMM_DATA", str(tmp_path / "mnist"))
    assert load(DATASETS["mnist"]()).train.n == TRAIN
    monkeypatch.delenv("HPCADMM_DATA")
    cached = Path(os.environ["XDG_CACHE_HOME"]) / "hpcadmm"
    cached.mkdir()
    (tmp_path / "mnist").rename(cached / "mnist")
    assert load(DATASETS["mnist"]()).train.n == TRAIN


def test_other_file_names(tmp_path: Path) -> None:
    made("mnist", tmp_path)
    (tmp_path / "my-images-idx3-ubyte").write_bytes(idx_images(np.zeros((TEST, 36), np.uint8), 6))
    (tmp_path / "t10k-labels-idx1-ubyte").rename(tmp_path / "my-labels-idx1-ubyte")
    assert not load(DATASETS["mnist"](path=str(tmp_path), test="my-images-idx3-ubyte")).test.x.any()


def test_memory_stays_near_the_ranks_own_columns(tmp_path: Path) -> None:
    import tracemalloc

    x, y = images(20_000, 36 * 16, 10, 1)
    table = np.column_stack([y, np.tile(x[:, :512], (1, 6))]).astype(np.uint8)
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(table[: 20_000 if "data" in name else 10].tobytes(), 1))
    tracemalloc.start()
    dataset = DATASETS["cifar-10"](path=str(tmp_path))
    loads = on_ranks(4, lambda world: dataset.load(0, world, np.float32, ones=True))
    peak = tracemalloc.get_traced_memory()[1]  # of all ranks
    tracemalloc.stop()
    assert peak < 1.25 * sum(one.train.x.nbytes for one in loads) + 4 * 60e6
