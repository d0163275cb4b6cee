"""The files of a checkpoint; each rank writes and reads its own, without communication."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcadmm.model.state import Array, Item
from hpcadmm.model.tiles import Tiles
from hpcadmm.storage import hdf5
from hpcadmm.storage.folders import MASTER
from hpcadmm.storage.hdf5 import Refused
from hpcadmm.storage.record import LONGEST, SAMPLED, SITED, Entry, Record, Shard, entry_of, joined_entry

RECORD, IDENTITY = "checkpoint.json", "checkpoint.id"  # names of arrays contain no point


@dataclass
class Part:
    """What one rank has written: its shard if it has columns, the size of its files, its sites and cells."""

    shards: list[Shard] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)


def write_part(folder: Path, items: Sequence[Item], tiles: Tiles, rank: int, identity: str) -> Part:
    """Write this rank's columns, cells and sites, and its layers unless an earlier rank has them.

    Raises OSError, or ValueError for an array that cannot be saved.
    """
    part, some = Part(), tiles.hi > tiles.lo
    for item in items:
        entry_of(item, tiles.n)
    _check_columns(items, tiles)
    columns, cells = ([i for i in items if i.lies == lies] for lies in ("columns", "cells"))
    sites = [i for i in items if i.lies in ("sites", "ranks") or (i.lies == "layers" and tiles.rank == 0)]
    if columns and some:
        shard = Shard(f"shard-{tiles.lo}-{tiles.hi}.h5", tiles.lo, tiles.hi)
        part.shards.append(shard)
        _write_file(folder / shard.name, columns, identity, part.sizes, tiles.width)
    if cells:
        name = f"cells-{rank}-{tiles.lo}-{tiles.hi}.h5"
        part.entries |= {i.path: entry_of(i, tiles.n, files=(name,) if some else ()) for i in cells}
        if some:
            _write_file(folder / name, cells, identity, part.sizes, tiles.width)
    if sites:
        name = f"sites-{rank}.h5"
        part.entries |= {i.path: entry_of(i, tiles.n, **_in_file(i, name)) for i in sites}
        _write_file(folder / name, sites, identity, part.sizes, 1)
    return part


def _in_file(item: Item, name: str) -> dict[str, Any]:
    """How an entry names the file of this rank."""
    return {"files": (name,)} if item.lies == "ranks" else {"file": name}


def _check_columns(items: Sequence[Item], tiles: Tiles) -> None:
    for item in items:
        if item.lies in SAMPLED and item.array.shape[-1:] != (tiles.hi - tiles.lo,):
            raise ValueError(f"{item.path} is {item.array.shape}, but this rank has {tiles.hi - tiles.lo} columns")


def _write_file(path: Path, items: Sequence[Item], identity: str, sizes: dict[str, int], width: int) -> None:
    with hdf5.writing(path, sizes) as file:
        hdf5.write_text(file, IDENTITY, identity)
        for item in items:
            hdf5.write_array(file, item.path, item.array.T, width)


def joined(identity: str, meta: dict[str, Any], items: Sequence[Item], tiles: Tiles, parts: list[Any]) -> Record:
    """The record of a checkpoint from the parts of all ranks (as dicts)."""
    record = Record(identity, tiles.n, meta)
    for item in items:
        if item.lies in ("replicated", "columns"):
            digest = sha256(item.array) if item.lies == "replicated" else ""
            record.entries[item.path] = entry_of(item, tiles.n, sha256=digest)
    held: dict[str, list[Entry]] = {path: [entry] for path, entry in record.entries.items()}
    for part in parts:
        record.shards.extend(Shard(**shard) for shard in part["shards"])
        record.sizes.update(part["sizes"])
        for path, raw in part["entries"].items():
            entry = Entry(**{**raw, "shape": tuple(raw["shape"]), "files": tuple(raw["files"])})
            held.setdefault(path, []).append(entry)
    record.entries.update({path: joined_entry(path, entries, tiles.n) for path, entries in held.items()})
    return record


def write_master(folder: Path, record: Record, items: Sequence[Item]) -> None:
    """Write `checkpoint.h5`: replicated arrays, the record, and virtual datasets of the arrays in columns and cells."""
    with hdf5.writing(folder / MASTER, {}) as file:
        hdf5.write_text(file, RECORD, record.text())
        for item in items:
            if item.lies == "replicated":
                hdf5.write_array(file, item.path, item.array)
        for path, entry in record.entries.items():
            if entry.lies in SAMPLED and np.prod(entry.shape):
                _show_whole(file, path, entry, record.holders(path))


def _show_whole(file: h5py.File, path: str, entry: Entry, shards: list[Shard]) -> None:
    """Write a virtual dataset (samples, rows) that joins the shards."""
    _, *rest = entry.shape[::-1]
    layout = h5py.VirtualLayout(entry.shape[::-1], entry.dtype)
    for shard in shards:
        layout[shard.lo : shard.hi] = h5py.VirtualSource(shard.name, path, (shard.hi - shard.lo, *rest))
    file.create_virtual_dataset(path, layout)


def read_record(folder: Path) -> str:
    """The text of the record of a checkpoint, checked. Raises CheckpointError."""
    with hdf5.reading(folder / MASTER) as file:
        text = hdf5.read_text(file, RECORD, LONGEST)
        Record.parse(text)
        return text


def read_meta(folder: Path) -> dict[str, Any]:
    """The meta data of a checkpoint. Raises CheckpointError."""
    return Record.parse(read_record(folder)).meta


def read_replicated(folder: Path, record: Record, items: Sequence[Item]) -> None:
    """Fill the replicated arrays. Raises CheckpointError."""
    with hdf5.reading(folder / MASTER) as file:
        for item in items:
            if item.lies == "replicated":
                hdf5.read_array(file, item.path, item.array)
                if sha256(item.array) != record.entries[item.path].sha256:
                    raise Refused(f"damaged: {item.path} has changed since it was saved (sha256)")


def read_part(folder: Path, record: Record, items: Sequence[Item], tiles: Tiles) -> None:
    """Fill this rank's columns, cells and sites from the files that hold them. Raises CheckpointError."""
    _check_columns(items, tiles)
    needed: dict[Shard, list[Item]] = {}
    for item in items:
        for shard in record.holders(item.path) if item.lies in SAMPLED and item.array.size else []:
            if max(shard.lo, tiles.lo) < min(shard.hi, tiles.hi):
                needed.setdefault(shard, []).append(item)
    for shard, wanted in needed.items():
        lo, hi = max(shard.lo, tiles.lo), min(shard.hi, tiles.hi)
        with hdf5.reading(folder / shard.name, record.sizes[shard.name]) as file:
            _same_checkpoint(file, record)
            for item in wanted:
                rows = item.array.T[lo - tiles.lo : hi - tiles.lo]
                hdf5.read_array(file, item.path, rows, lo - shard.lo, shard.hi - shard.lo)
    for name in sorted({record.entries[item.path].file for item in items if item.lies in SITED}):
        with hdf5.reading(folder / name, record.sizes[name]) as file:
            _same_checkpoint(file, record)
            for item in items:
                if item.lies in SITED and record.entries[item.path].file == name:
                    hdf5.read_array(file, item.path, item.array.T)
    for item in items:
        if item.lies == "ranks":
            _read_own(folder, record, item, tiles)


def _read_own(folder: Path, record: Record, item: Item, tiles: Tiles) -> None:
    """Fill an array by rank with the sum of those that this rank takes over."""
    item.array[...] = 0
    saved = np.empty_like(item.array)
    for k, name in enumerate(record.entries[item.path].files[tiles.rank :: tiles.size]):
        with hdf5.reading(folder / name, record.sizes[name]) as file:
            _same_checkpoint(file, record)
            hdf5.read_array(file, item.path, saved.T)
        item.array[...] = item.array + saved if k else saved  # the first one bit by bit, -0 included


def _same_checkpoint(file: h5py.File, record: Record) -> None:
    if hdf5.read_text(file, IDENTITY, 100) != record.identity:
        raise Refused("it belongs to another checkpoint")


def sha256(array: Array) -> str:
    """The sha256 of an array's bytes in C order, as hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).hexdigest()
