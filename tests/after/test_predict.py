"""predict: from files of several formats to files of several formats."""

import csv
import errno
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet
import pytest
from scipy.special import softmax

from hpcadmm.after import predict as predicting
from hpcadmm.after import sheet, spool
from hpcadmm.after.predict import Reading, predict
from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.given import inputs
from hpcadmm.errors import UsageError
from hpcadmm.model.losses.base import decide
from hpcadmm.testing.threads import on_ranks
from tests.helpers.trainings import JOBS, named, outputs, trained

Run = Callable[[str], Path]


def raw(count: int = 50) -> np.ndarray:
    """Digits as they are in their file: (samples, 64)."""
    loaded = DATASETS["digits"](first_test=count, scale="none").load(0, World.alone(), np.float64, ones=False)
    return np.array(loaded.test.x.T)


def told(run: Path, source: Path, out: Path, force: bool = False, **how: Any) -> dict[str, Any]:
    return predict(run, source, out, Reading(**how), force, None, World.alone(), lambda line: None)


def files(folder: Path, x: np.ndarray) -> dict[str, dict[str, Any]]:
    """The same samples in several formats, with labels and without, and how each is read."""
    labelled = np.column_stack([np.arange(len(x)), x])
    np.savetxt(folder / "bare.csv", x, delimiter=",", fmt="%g")
    np.savetxt(folder / "first.csv", labelled, delimiter=";", fmt="%g")
    head = ",".join(["label", *(f"p{i}" for i in range(x.shape[1]))])
    np.savetxt(folder / "named.csv", labelled, delimiter=",", fmt="%g", header=head, comments="")
    np.savetxt(folder / "last.csv", labelled[:, [*range(1, x.shape[1] + 1), 0]], delimiter=",", fmt="%g")
    np.savez(folder / "a.npz", X=x)
    np.savez(folder / "other.npz", pixels=x, y=np.arange(len(x)))
    with h5py.File(folder / "a.h5", "w") as file:
        file["X"] = x
    lines = ("0 " + " ".join(f"{i + 1}:{v:g}" for i, v in enumerate(row) if v) for row in x)
    (folder / "a.svm").write_text("\n".join(lines))
    plain: dict[str, dict[str, Any]] = {name: {} for name in ("bare.csv", "last.csv", "a.npz", "a.h5", "a.svm")}
    return plain | {
        "first.csv": {"settings": ["delimiter=;"], "ignored": "0"},
        "named.csv": {"ignored": "label"},
        "other.npz": {"settings": ["inputs=pixels"]},
    }


def test_every_format_gives_what_the_network_says(run: Run, tmp_path: Path) -> None:
    x = raw()
    z = outputs(trained(run("digits")), x)
    for name, how in files(tmp_path, x).items():
        said = told(run("digits"), tmp_path / name, tmp_path / "out.npz", force=True, **how)
        assert said["samples"] == 50
        with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
            np.testing.assert_allclose(found["scores"], z.T, err_msg=name, rtol=1e-12)
            np.testing.assert_array_equal(found["class"], decide(z))
            assert found["name"].tolist() == [str(c) for c in decide(z)]


def test_all_outputs_hold_the_same(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", X=raw())
    for suffix in ("csv", "npz", "h5"):
        told(run("leaky"), tmp_path / "in.npz", tmp_path / f"out.{suffix}")
    z = outputs(trained(run("leaky")), raw().astype(np.float32))
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        assert found["probabilities"].dtype == np.float32
        np.testing.assert_allclose(found["probabilities"], softmax(z, axis=0).T, rtol=1e-4)
        with h5py.File(tmp_path / "out.h5") as same:
            np.testing.assert_array_equal(same["probabilities"], found["probabilities"])
            np.testing.assert_array_equal(same["class"], found["class"])
            assert [name.decode() for name in same["name"]] == found["name"].tolist()
            assert json.loads(same["names"][0]) == found["names"].tolist()
        with open(tmp_path / "out.csv", newline="") as file:
            head, *rows = csv.reader(file)
        assert head == ["class", "name", *(f"probability {i}" for i in range(10))]
        assert [int(row[0]) for row in rows] == found["class"].tolist()
        np.testing.assert_array_equal(np.array([row[2:] for row in rows], np.float32), found["probabilities"])


def test_one_output_tells_two_classes_and_images_are_averaged(run: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["X"] = raw()
        file["X"].attrs["image"] = (1, 8, 8)
    told(run("one output"), tmp_path / "in.h5", tmp_path / "out.npz")
    small = raw().reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    z = outputs(trained(run("one output")), small)
    with np.load(tmp_path / "out.npz") as found:
        np.testing.assert_array_equal(found["class"], z[0] > 0)
        assert set(found["name"]) == {"others", "3 or 5"}
        assert found["scores"].shape == (50, 1)


def test_a_regression_gives_values_in_the_units_of_its_data(run: Run, tmp_path: Path) -> None:
    folder = run("regression")
    data = np.load(folder.parent / "data.npz")
    told(folder, folder.parent / "data.npz", tmp_path / "out.csv")
    values = np.loadtxt(tmp_path / "out.csv", delimiter=",", skiprows=1)
    assert values.shape == (150, 2)
    assert np.corrcoef(values.T, data["y"].T)[0, 2] > 0.8
    assert values[:, 0].mean() == pytest.approx(data["y"][:, 0].mean(), rel=0.05)


def test_nothing_is_overwritten_or_left_behind(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", X=raw())
    out = tmp_path / "out.csv"
    out.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        told(run("digits"), tmp_path / "in.npz", out)
    assert out.read_text() == "mine"
    with pytest.raises(UsageError, match="cannot write"):
        told(run("digits"), tmp_path / "in.npz", tmp_path / "nowhere" / "out.csv")
    told(run("digits"), tmp_path / "in.npz", out, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npz", "out.csv"]


def test_every_number_of_ranks_writes_the_same_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In several blocks a rank, with results that do not fit in memory, for inputs that are read from anywhere and
    from the beginning only."""
    monkeypatch.setattr(inputs, "step", lambda features: 150)
    monkeypatch.setattr(spool, "MOST", 1000)
    monkeypatch.setattr(spool, "CHUNK", 777)
    monkeypatch.setattr(sheet, "ROWS", 100)
    x = raw(360)
    np.savez(tmp_path / "in.npz", X=x)
    np.savetxt(tmp_path / "in.csv", x, delimiter=",", fmt="%g")
    np.savetxt(tmp_path / "in.csv.gz", x, delimiter=",", fmt="%g")
    pyarrow.parquet.write_table(pyarrow.table([*x.T], [f"{i}" for i in range(64)]), tmp_path / "in.parquet", 100)
    (tmp_path / "out").mkdir()
    written: dict[str, set[bytes]] = {suffix: set() for suffix in ("csv", "npz", "h5", "parquet")}
    for name in ("in.npz", "in.csv", "in.csv.gz", "in.parquet"):
        for suffix in written if name == "in.npz" else ("csv",):
            out = tmp_path / "out" / f"a.{suffix}"
            for ranks in (1, 2, 3):

                def one(world: World, name: str = name, out: Path = out) -> dict[str, Any]:
                    return predict(run("leaky"), tmp_path / name, out, Reading(), True, None, world, lambda line: None)

                assert {said["samples"] for said in on_ranks(ranks, one)} == {360}
                written[suffix].add(out.read_bytes())
            assert len(written[suffix]) == 1, (name, suffix)
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_parquet_holds_what_csv_holds(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "LINES", 7)
    np.savez(tmp_path / "in.npz", X=raw())
    for suffix in ("csv", "parquet"):
        told(run("leaky"), tmp_path / "in.npz", tmp_path / f"out.{suffix}")
    with open(tmp_path / "out.csv", newline="") as file:
        head, *rows = csv.reader(file)
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == head
    assert table.column("name").to_pylist() == [row[1] for row in rows]
    for k, column in enumerate(head[2:], 2):
        np.testing.assert_array_equal(table.column(column), np.array([row[k] for row in rows], np.float32))


@pytest.mark.parametrize("suffix", ["csv", "h5"])
def test_a_full_disk_leaves_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """The first rank cannot store what the others send; all say so."""

    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() + len(data) > 6000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr(predicting, "spool", lambda out: Full())
    np.savez(tmp_path / "in.npz", X=raw(360))

    def one(world: World) -> None:
        out = tmp_path / f"out.{suffix}"
        with pytest.raises(UsageError, match=f"cannot write {out}: No space left"):
            predict(run("leaky"), tmp_path / "in.npz", out, Reading(), False, None, world, lambda line: None)

    for ranks in (1, 3):
        on_ranks(ranks, one)
    assert [path.name for path in tmp_path.iterdir()] == ["in.npz"]


def hostile(folder: Path) -> Path:
    """An archive whose X is an array of objects: a pickle."""
    np.savez(folder / "hostile.npz", X=np.array([{}], dtype=object))
    return folder / "hostile.npz"


def broken(folder: Path) -> Path:
    """A csv with a value that is none."""
    (folder / "broken.csv").write_text(",".join(["1"] * 63 + ["nan"]) + "\n")
    return folder / "broken.csv"


def linked(folder: Path) -> Path:
    """HDF5 whose X lies in another file."""
    with h5py.File(folder / "linked.h5", "w") as file:
        file["X"] = h5py.ExternalLink("other.h5", "X")
    return folder / "linked.h5"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (hostile, "never objects"),
        (broken, "line 1, column 64: the value is missing"),
        (linked, "link"),
        (lambda folder: folder, "is a folder; name a file in it"),
    ],
)
def test_hostile_inputs_are_refused(run: Run, tmp_path: Path, source: Callable[[Path], Path], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        told(run("digits"), source(tmp_path), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"ignored": "0"}, "63 columns, but the training has 64"),
        ({"ignored": "label"}, "there is no header line"),
        ({"settings": ["nonsense=1"]}, "data.nonsense: unknown key"),
        ({"settings": ["nonsense"]}, "must be key=value"),
    ],
)
def test_options_that_do_not_fit(run: Run, tmp_path: Path, how: dict[str, Any], why: str) -> None:
    np.savetxt(tmp_path / "bare.csv", raw(), delimiter=",")
    with pytest.raises(UsageError, match=why):
        told(run("digits"), tmp_path / "bare.csv", tmp_path / "out.csv", **how)


@pytest.mark.parametrize("name", [*JOBS, "regression"])
def test_a_wrong_number_of_features(run: Run, tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "in.npz", X=np.ones((3, 17)))
    with pytest.raises(UsageError, match=r"17 features, but the network was trained on|no images"):
        told(run(name), tmp_path / "in.npz", tmp_path / "out.csv")


def test_columns_of_a_table_are_found_by_their_names(run: Run, tmp_path: Path) -> None:
    folder, warnings = run("table"), list[str]()
    assert "target label: 3 classes, 0, 1, 2" in (folder / "log.txt").read_text()
    answers = []
    for columns in ("a,b,c,d", "d,b,a,c", "label,d,c,b,a"):
        told(folder, named(tmp_path, columns), tmp_path / "out.csv", force=True)
        answers.append((tmp_path / "out.csv").read_text())
    assert answers[0] == answers[1] == answers[2]
    bare = tmp_path / "bare.csv"
    bare.write_text("".join(named(tmp_path, "a,b,c,d").read_text().splitlines(keepends=True)[1:]))
    predict(folder, bare, tmp_path / "out.csv", Reading(), True, None, World.alone(), warnings.append)
    assert (tmp_path / "out.csv").read_text() == answers[0]
    assert warnings == [f"{bare}: no header; its columns are read in the order of the training: a, b, c, d"]
    bare.write_text(bare.read_text().replace("\n", "\n?,?,?,?\n", 1))
    on_ranks(2, lambda w: predict(folder, bare, tmp_path / "out.csv", Reading(), True, None, w, warnings.append))
    assert sum("1 missing" in line for line in warnings) == 4
    with pytest.raises(UsageError, match="missing: c; the file has a, b, d"):
        told(folder, named(tmp_path, "a,b,d"), tmp_path / "no.csv")
    with pytest.raises(UsageError, match=r"header = true, but the first line holds numbers.*set header = false"):
        told(folder, bare, tmp_path / "no.csv", settings=["header=true"])
