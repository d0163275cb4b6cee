"""data.validation: a share of the train part becomes the test part, and the real test part is left alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.choose import held_out, ordered, shuffled
from hpcadmm.datasets.given.convert import chosen
from hpcadmm.datasets.loaded import Loaded
from hpcadmm.datasets.table import Source
from hpcadmm.errors import UsageError
from hpcadmm.testing.threads import on_ranks
from tests.helpers.samples import made

every = pytest.mark.parametrize("name", list(DATASETS))


def alone(dataset: Dataset, seed: int = 3) -> Loaded:
    return dataset.load(seed, World.alone(), np.float64, ones=True)


def bare(rows: Any) -> Source:
    return Source(None, rows)  # type: ignore[arg-type]


def columns(part: Any) -> list[Any]:
    """A part's samples with their labels, sorted."""
    return sorted(zip(part.x.T.tolist(), np.atleast_2d(part.labels).T.tolist(), strict=True))


@given(st.integers(2, 300), st.integers(1, 99), st.integers(0, 2**40), st.booleans())
def test_every_row_is_in_one_part_and_those_kept_stay_in_order(n: int, per_cent: int, seed: int, whole: bool) -> None:
    rows = range(5, 5 + n) if whole else np.array([3 * k % 1009 for k in range(n)], np.int64)
    count = per_cent * n // 100
    if not 0 < count < n:
        with pytest.raises(UsageError, match="holds out"):
            held_out(bare(rows), per_cent / 100, seed)
        return
    train, test = (list(part.rows) for part in held_out(bare(rows), per_cent / 100, seed))
    assert len(test) == count
    assert set(train) | set(test) == set(rows)
    assert not set(train) & set(test)
    assert train == [row for row in rows if row in set(train)]


def test_the_rows_are_the_same_for_ever_and_not_those_of_the_split_or_the_order() -> None:
    assert list(held_out(bare(range(10)), 0.4, 7)[1].rows) == [8, 6, 4, 0]
    test = list(held_out(bare(range(1000)), 0.1, 7)[1].rows)
    others = (
        list(held_out(bare(range(1000)), 0.1, 8)[1].rows),
        shuffled(1000, 7)[:100].tolist(),
        list(ordered(bare(range(1000)), "shuffled", 7).rows)[:100],
    )
    for other in others:
        assert len(set(test) & set(other)) < 30  # ten are expected


@every
def test_the_test_part_is_of_the_train_part_and_no_sample_of_the_real_one(name: str, tmp_path: Path) -> None:
    whole, found = alone(made(name, tmp_path, scale="none")), alone(made(name, tmp_path, scale="none", validation=0.25))
    assert (found.test.n, found.train.n + found.test.n) == (whole.train.n // 4, whole.train.n)
    assert sorted(columns(found.train) + columns(found.test)) == columns(whole.train)
    real = {tuple(x) for x, _ in columns(whole.test)} - {tuple(x) for x, _ in columns(whole.train)}
    assert real
    assert not real & {tuple(x) for part in (found.train, found.test) for x, _ in columns(part)}
    assert found.digest != whole.digest


@every
@pytest.mark.parametrize("size", [2, 3])
def test_any_number_of_ranks_gives_the_same_columns(name: str, size: int, tmp_path: Path) -> None:
    dataset = made(name, tmp_path, validation=0.3, order="labels", first=90, standardise=True)
    whole, loads = alone(dataset), on_ranks(size, lambda world: dataset.load(3, world, np.float64, ones=True))
    for part in ("train", "test"):
        for field in ("x", "labels"):
            found = np.concatenate([getattr(getattr(load, part), field) for load in loads], axis=-1)
            assert found.tobytes() == getattr(getattr(whole, part), field).tobytes()
    assert {load.digest for load in loads} == {whole.digest}
    assert (whole.train.n, whole.test.n) == (63, 27)


def test_the_jobs_seed_does_not_draw_it_but_split_seed_does(tmp_path: Path) -> None:
    found = [alone(made("npz", tmp_path, validation=0.2), seed) for seed in (1, 2)]
    found += [alone(made("npz", tmp_path, validation=0.2, split_seed=1))]
    held = [load.test.x.tobytes() for load in found]
    assert held[0] == held[1] != held[2]


def test_the_real_test_part_is_not_read(tmp_path: Path) -> None:
    """Its features are damaged, and its labels are classes that the train part does not have."""
    x, y = np.random.default_rng(0).standard_normal((40, 3)), np.arange(40) % 4
    np.savez(tmp_path / "a.npz", X=x, y=y, X_test=np.full((7, 3), np.nan), y_test=np.full(7, 9))
    dataset = DATASETS["npz"](path=str(tmp_path / "a.npz"), validation=0.25, classes=[0, 1, 2])
    assert (alone(dataset).classes, alone(dataset).test.n) == (3, 7)
    with pytest.raises(UsageError, match="is not a finite"):
        alone(DATASETS["npz"](path=str(tmp_path / "a.npz")))


def test_statistics_are_those_of_the_samples_that_are_trained_on(tmp_path: Path) -> None:
    found = alone(made("npz", tmp_path, validation=0.25, standardise=True))
    np.testing.assert_allclose(found.train.x[:-1].mean(axis=1), 0, atol=1e-12)
    assert np.abs(found.test.x[:-1].mean(axis=1)).max() > 1e-3


def test_after_first_and_first_test_is_of_the_real_test_part(tmp_path: Path) -> None:
    head = alone(made("npz", tmp_path, first=40, scale="none"))
    found = alone(made("npz", tmp_path, first=40, validation=0.25, scale="none"))
    assert sorted(columns(found.train) + columns(found.test)) == columns(head.train)
    for few in (4, 30):
        again = alone(made("npz", tmp_path, first=40, validation=0.25, first_test=few, scale="none"))
        np.testing.assert_array_equal(again.test.x, found.test.x)


def test_what_is_refused(tmp_path: Path) -> None:
    adapter = TypeAdapter(DATASETS["digits"])
    for wrong in ("0", "1", "-0.1", "true", '"a"'):
        with pytest.raises(ValidationError, match="validation"):
            adapter.validate_json(f'{{"validation": {wrong}}}')
    with pytest.raises(UsageError, match=r"data.validation = 0.001: holds out 0 of the 203 samples"):
        alone(made("npz", tmp_path, validation=0.001))
    with pytest.raises(UsageError, match=r"data.validation: the raw values are written"):
        chosen(made("npz", tmp_path, validation=0.25), World.alone())
