"""A damaged or hostile checkpoint is refused, with the file and the reason, and the one before is used."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.state import Item
from hpcadmm.model.tiles import Tiles
from hpcadmm.storage.checkpoint import load, load_newest, newest, save
from hpcadmm.storage.hdf5 import Refused
from hpcadmm.storage.record import Entry, Record
from hpcadmm.storage.weights import read_weights
from tests.helpers import harm
from tests.helpers.cases import ACCIDENTS, HOSTILE
from tests.helpers.harm import CELLS, MASTER, SHARD, SITES
from tests.helpers.states import check_newest, emptied, state


@pytest.mark.parametrize("case", [*ACCIDENTS, *HOSTILE])
def test_the_one_before_is_used(case: str, checkpoints: Path) -> None:
    name, reason, do = (ACCIDENTS | HOSTILE)[case]
    do(checkpoints / "iteration-0000000020")
    warnings: list[str] = []
    assert check_newest(checkpoints, World.alone(), warnings.append) == 10
    (warning,) = warnings
    assert warning.startswith("checkpoint iteration-0000000020 is not used: ")
    assert f"iteration-0000000020/{name}: " in warning
    assert re.search(reason, warning), warning
    assert "\n" not in warning
    assert len(warning) < 700


@pytest.mark.parametrize("name", [MASTER, SHARD, SITES, CELLS])
def test_no_flipped_bit_is_missed(name: str, checkpoints: Path) -> None:
    (path,) = checkpoints.glob(f"*20/{name}")
    tiles, good = Tiles(200, 64), path.read_bytes()
    truth = {item.path: item.array.tobytes() for item in state(tiles, 20)}
    for place in range(3, len(good), len(good) // 150):
        path.write_bytes(good)
        harm.flip(path, place)
        items = emptied(state(tiles, 20))
        try:
            load(path.parent, items, tiles, World.alone())
        except UsageError:
            continue
        assert name == MASTER, place  # of which the virtual datasets are not read
        assert {item.path: item.array.tobytes() for item in items} == truth, place


def test_none_valid_is_a_usage_error(checkpoints: Path) -> None:
    for path in newest(checkpoints):
        harm.truncated(SHARD)(path)
    tiles = Tiles(200, 64)
    warnings: list[str] = []
    with pytest.raises(UsageError, match=f"none of the 2 checkpoints in .* is valid.*{SHARD}"):
        load_newest(checkpoints, state(tiles, 0), tiles, World.alone(), warnings.append)
    assert len(warnings) == 2


@pytest.mark.parametrize("made", [True, False])
def test_no_checkpoint_is_a_usage_error(made: bool, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    if made:
        folder.mkdir()
    tiles = Tiles(200, 64)
    with pytest.raises(UsageError, match="holds no checkpoint"):
        load_newest(folder, state(tiles, 0), tiles, World.alone(), print)
    with pytest.raises(UsageError, match="holds no checkpoint"):
        read_weights(tmp_path, print)


def test_a_checkpoint_of_weights_says_so(tmp_path: Path) -> None:
    tiles, world = Tiles(200, 64), World.alone()
    weights = [item for item in state(tiles, 10) if item.path.startswith("W/")]
    path = save(tmp_path, weights, tiles, {"iteration": 10}, world, keep=1)
    assert sorted(os.listdir(path)) == [MASTER]
    with pytest.raises(UsageError, match=r"it holds no zaT \(weights only\)"):
        load(path, state(tiles, 0), tiles, world)
    few = [Item(i.path, i.lies, np.zeros_like(i.array)) for i in weights]
    assert load(path, few, tiles, world)["iteration"] == 10
    assert [i.array.tobytes() for i in few] == [i.array.tobytes() for i in weights]


@pytest.mark.parametrize("other", [Tiles(199, 64), Tiles(201, 64)])
def test_another_number_of_samples_is_refused(other: Tiles, checkpoints: Path) -> None:
    with pytest.raises(UsageError, match=f"{other.n}"):
        load(newest(checkpoints)[0], state(other, 0), other, World.alone())


def test_a_checkpoint_of_the_version_with_one_grid_a_sum_is_named_as_that():
    record = Record("0", 5, {}, entries={"grids": Entry("replicated", (3,), "<i8")})
    with pytest.raises(Refused, match="it holds no scales: an older version of hpcadmm wrote it; train again"):
        record.match([Item("scales", "replicated", np.zeros(7, dtype=np.int64))], 5)
