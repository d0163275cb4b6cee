"""`hpcadmm data`: list, download, convert, inspect."""

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from hpcadmm.cli.data import data
from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.errors import UsageError
from tests.helpers import samples


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HPCADMM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def run(*arguments: object) -> str:
    """What the command prints; its exception is raised."""
    result: Result = CliRunner().invoke(data, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def load(dataset: Dataset) -> Any:
    return dataset.load(0, World.alone(), np.float64, ones=False)


def test_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples.made("mnist", tmp_path / "mnist")
    monkeypatch.setenv("HPCADMM_DATA", str(tmp_path))
    found = {entry["name"]: entry for entry in json.loads(run("list", "--json"))}
    assert list(found) == list(DATASETS)
    assert found["mnist"]["found"] == str(tmp_path / "mnist")
    assert found["kmnist"]["found"] == "not found"
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    assert "(3 of 4 files)" in json.loads(run("list", "--json"))[2]["found"]
    assert "fashion-mnist" in run("list")


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in ("arrays", "frame")])
@pytest.mark.parametrize("compress", [False, True])
def test_converted_data_load_alike(name: str, compress: bool, tmp_path: Path) -> None:
    dataset: Dataset = samples.made(name, tmp_path / "in", pack=compress)
    given = {key: value for key, value in samples.MAKERS[name](tmp_path / "in", compress).items() if key != "path"}
    source = dataset.path or name
    settings = [f"--set={key}={json.dumps(value)}" for key, value in given.items()]
    flags = ["--compress"] if compress else []
    out = run("convert", source, "out.h5", "--as", name, *settings, *flags, "--note", "licence=mine")
    assert "out.h5: X " in out
    standard = load(dataset).dataset.standardise  # hdf5 standardises what holds no images, a dataset need not
    before, after = load(dataset), load(DATASETS["hdf5"](path=str(tmp_path / "out.h5"), standardise=standard))
    for part in ("train", "test"):
        np.testing.assert_array_equal(getattr(before, part).x, getattr(after, part).x)
        np.testing.assert_array_equal(getattr(before, part).labels, getattr(after, part).labels)
    assert before.names == after.names
    with h5py.File("out.h5") as file:
        assert file.attrs["licence"] == "mine"
        assert (file["X"].compression == "gzip") == compress
    assert not [p for p in os.listdir() if p.startswith(".out")]


def test_converting_a_selection(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    samples.made("mnist", folder)
    run("convert", folder, "out.h5", "--as", "mnist", "--set", "classes=[3,5]", "--set", "first=20")
    before = load(DATASETS["mnist"](path=str(folder), classes=[3, 5], first=20))
    after = load(DATASETS["hdf5"](path="out.h5"))
    np.testing.assert_array_equal(before.train.x, after.train.x)
    assert after.names == ["3", "5"]
    run("convert", "digits", "split.h5", "--set", "split=0.5", "--dtype", "float32")
    halves = load(DATASETS["digits"](split=0.5))
    np.testing.assert_array_equal(load(DATASETS["hdf5"](path="split.h5")).test.x, halves.test.x)


def test_the_shipped_digits_can_be_made_again(tmp_path: Path) -> None:
    sklearn = pytest.importorskip("sklearn.datasets").load_digits()
    np.savetxt("digits.csv", np.column_stack([sklearn.data, sklearn.target]), "%d", ",")
    options = ("--dtype", "uint8", "--compress", "--set", "image=[1,8,8]", "--set", "maximum=16.0")
    run("convert", "digits.csv", "again.h5", *options)
    shipped = DATASETS["digits"]().parts(0)[0].table.files[0]
    with h5py.File(shipped) as one, h5py.File("again.h5") as two:
        for name in ("X", "y"):
            np.testing.assert_array_equal(one[name][...], two[name][...])
            assert one[name].dtype == two[name].dtype
        assert dict(two["X"].attrs)["maximum"] == one["X"].attrs["maximum"] == 16


def test_convert_refuses(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1.5,0\n2,1\n")
    for arguments, said in (
        (("a.csv", "o.h5", "--dtype", "uint8"), "1.5 does not fit uint8"),
        (("a.csv", "o.h5", "--set", "scale=unit"), "data.scale: the raw values are written"),
        (("a.csv", "o.h5", "--set", "sclae=unit"), "data.sclae: unknown key"),
        (("a.csv", "o.h5", "--set", "header"), "must be key=value"),
        (("a.csv", "o.h5", "--note", "licence"), "write it as key=text"),
        (("a.csv", "a.csv"), "exists; replace it with --force"),
        (("b.csv", "o.h5"), r"neither a file nor a dataset; did you mean a.csv\? the datasets are digits"),
        (("a.csv", "nowhere/o.h5"), "cannot write nowhere"),
        (("a.csv", "o.h5", "--as", "tsv"), "known are digits"),
    ):
        with pytest.raises(UsageError, match=said):
            run("convert", *arguments)
        assert not (tmp_path / "o.h5").exists()
    run("convert", "a.csv", "o.h5")
    run("convert", "a.csv", "o.h5", "--force")


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("name", ["mnist", "cifar-10", "svhn", "higgs", "hdf5", "npz", "csv", "libsvm"])
def test_inspect_knows_formats_by_their_bytes(name: str, pack: bool, tmp_path: Path) -> None:
    dataset: Dataset = samples.made(name, tmp_path / "in", pack=pack)
    table = dataset.sources(0, World.alone())[0].table
    odd = ("--set", "target=0") if name == "higgs" else ()
    found = json.loads(run("inspect", table.files[0], "--json", *odd))
    kind = {"mnist": "file", "cifar-10": "file", "svhn": "file", "higgs": "csv"}.get(name, name)
    assert found["format"] == kind
    assert found["train"]["features"] == load(dataset).features
    assert sum(found["train"]["classes"].values()) == found["train"]["samples"]
    raw = DATASETS[name](**{**samples.MAKERS[name](tmp_path / "in", pack), "scale": "none"}, **folder(name, tmp_path))
    if name not in ("higgs", "cifar-10"):
        x = load(raw).train.x
        np.testing.assert_array_equal(found["train"]["minimum"], x.min(axis=1))
        np.testing.assert_array_equal(found["train"]["maximum"], x.max(axis=1))
        np.testing.assert_allclose(found["train"]["mean"], x.mean(axis=1), rtol=1e-12)
    assert "features" in run("inspect", table.files[0], *odd)


def folder(name: str, tmp_path: Path) -> dict[str, str]:
    return {} if name in ("hdf5", "npz") else {"path": str(tmp_path / "in")}


def test_inspect_a_dataset_by_name_and_a_regression(tmp_path: Path) -> None:
    found = json.loads(run("inspect", "digits", "--json"))
    assert found["train"]["samples"] == 1797
    assert found["train"]["image"] == [1, 8, 8]
    (tmp_path / "a.csv").write_text("x,y\n1,2.5\n3,3.5\n")
    said = run("inspect", "a.csv", "--set", "task=regression")
    assert "2 samples x 1 features" in said
    assert "1 target(s) from 2.5 to 3.5, mean 3" in said


def test_inspect_refuses(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(bytes(range(256)))
    with pytest.raises(UsageError, match="unknown format; known are text, HDF5"):
        run("inspect", "odd")
    (tmp_path / "labels").write_bytes(b"\0\0\x08\x01\0\0\0\x01\x05")
    with pytest.raises(UsageError, match="must be IDX images, with their labels in the same folder"):
        run("inspect", "labels")


def test_download_asks_for_a_known_name() -> None:
    with pytest.raises(UsageError, match="known are digits"):
        run("download", "imagenet")
    with pytest.raises(UsageError, match="there is nothing to download"):
        run("download", "digits")
