"""A damaged or hostile checkpoint is refused, with the file and the reason, and the one before is used."""

import os
import re
from pathlib import Path

import harm
import numpy as np
import pytest
from harm import MASTER, SHARD, SITES, Harm
from states import check_newest, emptied, save_state, state

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.state import Item
from hpcadmm.model.tiles import Tiles
from hpcadmm.storage.checkpoint import load, load_newest, newest, save
from hpcadmm.storage.weights import read_weights

ROWS = np.ones((200, 7))
CHECKED = {"chunks": (64, 7), "fletcher32": True}
TEXT = np.array([["text"] * 7] * 200, dtype=object)

# name: (the file that the message names, what it says, the harm)
ACCIDENTS: dict[str, tuple[str, str, Harm]] = {
    "truncated shard": (SHARD, r"it has \d+ bytes, the checkpoint was written with", harm.truncated(SHARD)),
    "truncated master": (MASTER, "truncated file", harm.truncated(MASTER)),
    "truncated sites": (SITES, r"it has \d+ bytes", harm.truncated(SITES)),
    "empty shard": (SHARD, "it has 0 bytes", harm.emptied_file(SHARD)),
    "empty master": (MASTER, "damaged", harm.emptied_file(MASTER)),
    "missing shard": (SHARD, "the file is missing", harm.missing(SHARD)),
    "missing master": (MASTER, "the file is missing", harm.missing(MASTER)),
    "missing sites": (SITES, "the file is missing", harm.missing(SITES)),
    "data of a shard": (SHARD, "damaged.*(checksum|Fletcher|filter)", harm.flipped_data(SHARD, "z/2")),
    "data of a site": (SITES, "damaged.*(checksum|Fletcher|filter)", harm.flipped_data(SITES, "q/4")),
    "data of the master": (MASTER, "damaged.*(checksum|Fletcher|filter)", harm.flipped_data(MASTER, "W/2")),
    "the record": (MASTER, "damaged.*(checksum|Fletcher|filter)", harm.flipped_data(MASTER, "checkpoint.json")),
    "signature of a shard": (SHARD, "damaged", harm.flipped_at(SHARD, 1)),
    "superblock of a shard": (SHARD, "damaged", harm.flipped_at(SHARD, 20)),
    "root group of a shard": (SHARD, "damaged", harm.flipped_at(SHARD, 60)),
    "root group of the master": (MASTER, "damaged", harm.flipped_at(MASTER, 60)),
    "shard of another": (SHARD, "it belongs to another checkpoint", harm.of_another_checkpoint(SHARD)),
    "sites of another": (SITES, "it belongs to another checkpoint", harm.of_another_checkpoint(SITES)),
}
HOSTILE: dict[str, tuple[str, str, Harm]] = {
    "symbolic link": (SHARD, "damaged", harm.replaced_by_link(SHARD)),
    "pipe": (SHARD, "not a regular file", harm.replaced_by_pipe(SHARD)),
    "pipe as master": (MASTER, "not a regular file", harm.replaced_by_pipe(MASTER)),
    "folder": (SHARD, "not a regular file", harm.replaced_by_folder(SHARD)),
    "huge": (
        SHARD,
        r"z/1 has the shape \(200, 137438953472\), expected \(200, 7\)",
        harm.dataset(SHARD, "z/1", harm.huge),
    ),
    "huge chunks": (SHARD, "has chunks of", harm.dataset(SHARD, "z/1", harm.huge_chunks)),
    "absent chunks": (SHARD, "parts of z/1 are absent", harm.dataset(SHARD, "z/1", harm.absent_chunks)),
    "external storage": (SHARD, "z/1 is stored in another file", harm.dataset(SHARD, "z/1", harm.external_storage)),
    "external link": (SHARD, "z/1 is a link to elsewhere", harm.dataset(SHARD, "z/1", harm.external_link)),
    "soft link": (SHARD, "z/1 is a link to elsewhere", harm.dataset(SHARD, "z/1", harm.soft_link)),
    "soft link of a group": (SHARD, "z/1 is a link to", harm.dataset(SHARD, "z/1", harm.soft_link_of_group)),
    "virtual": (SHARD, "z/1 is a virtual dataset", harm.dataset(SHARD, "z/1", harm.virtual)),
    "group": (SHARD, "z/1 is not a dataset", harm.dataset(SHARD, "z/1", harm.group)),
    "absent": (SHARD, "it holds no z/1", harm.dataset(SHARD, "z/1", lambda *_: None)),
    "other type": (
        SHARD,
        "z/1 holds float32, expected float64",
        harm.dataset(SHARD, "z/1", harm.plain(np.float32(ROWS), **CHECKED)),
    ),
    "other byte order": (SHARD, "z/1 holds >f8", harm.dataset(SHARD, "z/1", harm.plain(ROWS.astype(">f8"), **CHECKED))),
    "text": (SHARD, "z/1 holds no plain numbers", harm.dataset(SHARD, "z/1", harm.plain(TEXT))),
    "complex": (SHARD, "z/1 holds no plain numbers", harm.dataset(SHARD, "z/1", harm.plain(ROWS + 1j, **CHECKED))),
    "transposed": (
        SHARD,
        r"z/1 has the shape \(7, 200\)",
        harm.dataset(SHARD, "z/1", harm.plain(ROWS.T, chunks=(7, 64), fletcher32=True)),
    ),
    "compressed": (
        SHARD,
        "not stored in chunks with a checksum",
        harm.dataset(SHARD, "z/1", harm.plain(ROWS, compression="gzip")),
    ),
    "without checksum": (SHARD, "not stored in chunks with a checksum", harm.dataset(SHARD, "z/1", harm.plain(ROWS))),
    "weights elsewhere": (MASTER, "W/1 is a link to elsewhere", harm.dataset(MASTER, "W/1", harm.external_link)),
    "weights external": (MASTER, "W/1 is stored in another file", harm.dataset(MASTER, "W/1", harm.external_storage)),
    "weights virtual": (MASTER, "W/1 is a virtual dataset", harm.dataset(MASTER, "W/1", harm.virtual)),
    "weights exchanged": (
        MASTER,
        "W/1 has another sha256",
        harm.dataset(MASTER, "W/1", harm.plain(np.ones((7, 4)), chunks=(7, 4), fletcher32=True)),
    ),
    "record is a link": (
        MASTER,
        "checkpoint.json is a link",
        harm.dataset(MASTER, "checkpoint.json", harm.external_link),
    ),
    "record is numbers": (
        MASTER,
        "not one text of fixed length",
        harm.dataset(MASTER, "checkpoint.json", harm.plain(ROWS)),
    ),
    "record of any length": (
        MASTER,
        "not one text of fixed length",
        harm.dataset(MASTER, "checkpoint.json", harm.plain(["x"])),
    ),
    "record is huge": (
        MASTER,
        "at most 67108864 are read",
        harm.dataset(
            MASTER,
            "checkpoint.json",
            lambda f, p, _: f.create_dataset(p, (1,), f"S{1 << 30}", chunks=(1,), fletcher32=True),
        ),
    ),
    "record is no JSON": (MASTER, "damaged", harm.record(lambda r: "{'a': 1}")),
    "record is deep": (MASTER, "damaged", harm.record(lambda r: "[" * 100_000)),
    "record is a list": (MASTER, "damaged", harm.record(lambda r: "[1]")),
    "record is in part": (MASTER, "damaged", harm.record(lambda r: r.pop("entries"))),
    "newer format": (
        MASTER,
        "it has the format 2; this version of hpcadmm reads 1",
        harm.record(lambda r: r.update(format=2)),
    ),
    "meta is a list": (MASTER, "no meta data", harm.record(lambda r: r.update(meta=[1]))),
    "negative samples": (MASTER, "-1 is not a count", harm.record(lambda r: r.update(samples=-1))),
    "samples are true": (MASTER, "True is not a count", harm.record(lambda r: r.update(samples=True))),
    "path as file name": (
        MASTER,
        "is not a file name of a checkpoint",
        harm.record(lambda r: r["shards"][0].update(name="../iteration-0000000010/" + SHARD)),
    ),
    "path in sizes": (
        MASTER,
        "is not a file name of a checkpoint",
        harm.record(lambda r: r["sizes"].update({"/etc/hostname": 5})),
    ),
    "path of a site": (MASTER, "is not listed", harm.record(lambda r: r["entries"]["q/1"].update(file="../x"))),
    "array named upwards": (
        MASTER,
        "is not a name of an array",
        harm.record(lambda r: r["entries"].update({"../x": r["entries"]["W/1"]})),
    ),
    "gap in the shards": (
        MASTER,
        "do not cover|is said to hold",
        harm.record(lambda r: r["shards"][0].update(lo=64, name="shard-64-200.h5")),
    ),
    "no shards": (MASTER, "the record lists no shards", harm.record(lambda r: r.update(shards=[]))),
    "columns of another number": (
        MASTER,
        "there are 200 samples",
        harm.record(lambda r: r["entries"]["z/1"].update(shape=[7, 100])),
    ),
    "type is an object": (
        MASTER,
        "do not describe an array",
        harm.record(lambda r: r["entries"]["z/1"].update(dtype="|O")),
    ),
    "other layer sizes": (
        MASTER,
        r"W/1 is replicated with the shape \(9, 4\); this job needs",
        harm.record(lambda r: r["entries"]["W/1"].update(shape=[9, 4])),
    ),
    "array left out": (MASTER, "it holds no zaT", harm.record(lambda r: r["entries"].pop("zaT"))),
}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """Two checkpoints, of the iterations 10 and 20."""
    for seed in (10, 20):
        save_state(tmp_path / "checkpoints", seed, World.alone())
    return tmp_path / "checkpoints"


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


@pytest.mark.parametrize("name", [MASTER, SHARD, SITES])
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


@pytest.mark.parametrize("case", [c for c, (name, _, _) in (ACCIDENTS | HOSTILE).items() if name == MASTER])
def test_weights_are_read_from_the_one_before(case: str, checkpoints: Path) -> None:
    (ACCIDENTS | HOSTILE)[case][2](checkpoints / "iteration-0000000020")
    warnings: list[str] = []
    meta, weights = read_weights(checkpoints.parent, warnings.append)
    if case not in ("array left out",):  # zaT is not asked for
        assert len(warnings) == 1
        assert MASTER in warnings[0]
        assert meta["iteration"] == 10
    assert [w.shape for w in weights] == [(7, 4), (3, 8)]


@pytest.mark.parametrize(
    ("shapes", "sizes", "says"),
    [
        ([(1 << 40, 1 << 40)], None, r"but the file has \d+ bytes"),
        ([(7, 4, 2)], None, "not matrices"),
        ([(0, 4)], None, "not matrices"),
        ([(7, 4), (3, 9)], None, "do not make a network"),
        ([(7, 4), (3, 8)], [4, 7, 3], "do not make a network of sizes"),
        ([(7, 4), (3, 8)], [3, 6, 3], "do not make a network of sizes"),
        ([(7, 4), (3, 8)], "abc", "damaged|do not make"),
        ([], None, "it holds no weights"),
    ],
)
def test_weights_of_absurd_shapes_are_refused(
    shapes: list[tuple[int, ...]], sizes: object, says: str, checkpoints: Path
) -> None:
    def change(record: dict) -> None:
        entry = record["entries"]["W/1"]
        for l in (1, 2):
            del record["entries"][f"W/{l}"]
        for l, shape in enumerate(shapes, 1):
            record["entries"][f"W/{l}"] = {**entry, "shape": shape}
        record["meta"]["network"] = {"sizes": sizes}

    harm.record(change)(checkpoints / "iteration-0000000020")
    with pytest.raises(UsageError, match=says):
        read_weights(checkpoints / "iteration-0000000020", print)


def test_sizes_that_fit_are_accepted(checkpoints: Path) -> None:
    harm.record(lambda r: r["meta"].update(network={"sizes": [3, 7, 3]}))(checkpoints / "iteration-0000000020")
    for path in (checkpoints, checkpoints / "iteration-0000000020", checkpoints / "iteration-0000000020" / MASTER):
        meta, weights = read_weights(path, pytest.fail)
        assert (meta["iteration"], len(weights)) == (20, 2)
        assert all(w.flags.f_contiguous for w in weights)


def test_none_valid_is_a_usage_error(checkpoints: Path) -> None:
    for path in newest(checkpoints):
        harm.truncated(SHARD)(path)
    tiles = Tiles(200, 64)
    warnings: list[str] = []
    with pytest.raises(UsageError, match=f"none of the 2 checkpoints in .* can be used.*{SHARD}"):
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
