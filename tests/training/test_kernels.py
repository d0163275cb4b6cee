"""Compiled kernels: one way to declare them, and a cache that never ends a run."""

import errno
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core.caching import FunctionCache

from hpcadmm import kernels
from hpcadmm.doctor.checks import kernels as examined

ROOT = Path(__file__).resolve().parents[2] / "hpcadmm"


def double(x):
    for i in range(x.size):
        x[i] *= 2


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path):
    """Kernels of these tests are kept in a folder of their own, and are not among those of the package."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernels, "declared", [])
    monkeypatch.setattr(kernels, "_lost", [])


def doubled():
    """A kernel as of a new process, called once."""
    one, x = kernels.kernel(double), np.ones(3)
    one(x)
    assert (x == 2).all()
    return one


def test_what_is_compiled_is_kept(tmp_path):
    assert doubled().stats.cache_misses
    again = doubled()
    assert not again.stats.cache_misses
    assert again.stats.cache_hits
    assert Path(kernels.kept()).is_relative_to(tmp_path)
    assert kernels.lost() == ""


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 40])
def test_a_damaged_file_is_compiled_anew(tmp_path, kind, left):
    doubled()
    for path in tmp_path.rglob(f"*.{kind}"):
        path.write_bytes(path.read_bytes()[:left])
    assert doubled().stats.cache_misses
    assert not doubled().stats.cache_misses
    assert kernels.lost() == ""


def test_a_full_disk_costs_the_next_start_only(monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FunctionCache, "save_overload", full)
    doubled()
    assert "No space left" in kernels.lost()
    (finding,) = examined()
    assert (finding.level, "NUMBA_CACHE_DIR" in finding.cure) == ("warning", True)


def test_without_a_folder_that_can_be_written_nothing_is_kept(monkeypatch):
    def nowhere(*arguments):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(FunctionCache, "__init__", nowhere)
    assert not doubled().stats.cache_hits
    assert "no folder" in kernels.lost()
    assert kernels.kept() == ""


def test_without_a_home_no_folder_named_tilde_is_made(monkeypatch, tmp_path):
    for name in (*kernels.FOLDERS, "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: (_ for _ in ()).throw(KeyError(number)))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(kernels.os, "access", lambda path, mode: False)
    monkeypatch.chdir(tmp_path)
    doubled()
    assert "no folder" in kernels.lost()
    assert not list(tmp_path.iterdir())


def test_every_kernel_of_the_package_is_declared_so():
    """Else it is not among those whose compilation the tests of the rehearsal watch."""
    found = [path.name for path in ROOT.rglob("*.py") if " njit" in path.read_text(encoding="utf-8")]
    assert found == ["kernels.py"]
