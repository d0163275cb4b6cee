"""The record of a checkpoint: its arrays, their files and sizes. JSON text in `checkpoint.h5`."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, get_args

from hpcadmm.model.state import Item, Lies
from hpcadmm.storage.hdf5 import Refused

FORMAT = 1
LONGEST = 1 << 26  # bytes of a record
PATH = re.compile(r"[A-Za-z]\w*(/\w+)*", re.ASCII)
SHARD = re.compile(r"shard-(\d{1,18})-(\d{1,18})\.h5", re.ASCII)
SITES = re.compile(r"sites-\d{1,9}\.h5", re.ASCII)
CELLS = re.compile(r"cells-\d{1,9}-(\d{1,18})-(\d{1,18})\.h5", re.ASCII)
SITED = ("sites", "layers")  # one rank writes the whole array
SAMPLED = ("columns", "cells")  # a rank writes the columns of its tiles
DTYPE = re.compile(r"[<>|][fiu]\d{1,2}", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """One array: its global shape as in the paper, (rows, samples), and its dtype as numpy writes it (`<f8`)."""

    lies: Lies
    shape: tuple[int, ...]
    dtype: str
    sha256: str = ""  # of a replicated array's bytes in C order
    file: str = ""  # of an array on a site or of a layer
    files: tuple[str, ...] = ()  # of an array in cells: of its columns, in order; of one by rank: of each rank


@dataclass(frozen=True)
class Shard:
    """The file with columns [lo, hi) of every array in columns, or of some arrays in cells."""

    name: str
    lo: int
    hi: int


@dataclass(frozen=True)
class Record:
    """identity: repeated in every file of the checkpoint. samples: the global number. sizes: bytes of each file."""

    identity: str
    samples: int
    meta: dict[str, Any]
    shards: list[Shard] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    def text(self) -> str:
        """The record as ASCII JSON."""
        text = json.dumps({"format": FORMAT, **asdict(self)})
        if len(text) > LONGEST:
            raise ValueError(f"a checkpoint's record has {len(text)} bytes, at most {LONGEST} are allowed")
        return text

    @classmethod
    def parse(cls, text: str) -> "Record":
        """Read and check an untrusted record. Raises Refused, or the errors of malformed JSON."""
        raw = json.loads(text)
        if raw["format"] != FORMAT:
            raise Refused(f"it has the format {raw['format']!r}; this version of hpcadmm reads {FORMAT}")
        if not (isinstance(raw["meta"], dict) and isinstance(raw["identity"], str)):
            raise Refused("damaged: the record has no meta data")
        samples = _count(raw["samples"])
        shards = [_shard(s) for s in raw["shards"]]
        sizes = {_file_name(name): _count(size) for name, size in raw["sizes"].items()}
        entries = {_path(path): _entry(e, samples, sizes) for path, e in raw["entries"].items()}
        if shards:
            _cover(shards, samples, sizes, "shards")
        elif samples and any(e.lies == "columns" for e in entries.values()):
            raise Refused("damaged: the record lists no shards")
        for path, entry in entries.items():
            if entry.lies == "cells":
                _cover([cells_file(name) for name in entry.files], samples, sizes, f"files of {path}")
        return cls(raw["identity"], samples, raw["meta"], shards, sizes, entries)

    def holders(self, path: str) -> list[Shard]:
        """The files of the columns of an array in columns or cells, in order."""
        entry = self.entries[path]
        return self.shards if entry.lies == "columns" else [cells_file(name) for name in entry.files]

    def match(self, items: Sequence[Item], samples: int) -> None:
        """Refuse the checkpoint unless it holds these arrays, with these shapes and dtypes."""
        for item in items:
            entry = self.entries.get(item.path)
            if entry is None and item.path.startswith("scales"):
                raise Refused(f"it holds no {item.path}: an older version of hpcadmm wrote it; train again")
            if entry is None:
                kept = "weights only" if all(e.lies == "replicated" for e in self.entries.values()) else "other arrays"
                raise Refused(f"it holds no {item.path} ({kept})")
            shape = global_shape(item, samples)
            if (entry.lies, entry.shape) != (item.lies, shape):
                raise Refused(
                    f"{item.path} is {entry.lies} with the shape {entry.shape}; this job needs {item.lies}, {shape}"
                )
            if entry.dtype != item.array.dtype.str:
                raise Refused(f"{item.path} has the type {entry.dtype}; this job needs {item.array.dtype.str}")


def global_shape(item: Item, samples: int) -> tuple[int, ...]:
    """The shape over all ranks of an array; this rank may hold some of its columns."""
    return (*item.array.shape[:-1], samples) if item.lies in SAMPLED else item.array.shape


def entry_of(item: Item, samples: int, **more: Any) -> Entry:
    """The entry of an array to save. Raises ValueError for an invalid path or type."""
    if not PATH.fullmatch(item.path) or not DTYPE.fullmatch(item.array.dtype.str):
        raise ValueError(f"cannot save {item.path!r} of type {item.array.dtype}")
    return Entry(item.lies, global_shape(item, samples), item.array.dtype.str, **more)


def joined_entry(path: str, entries: Sequence[Entry], samples: int) -> Entry:
    """The entry of an array to save, from those of the ranks that hold it.

    Raises ValueError if two ranks hold the same site, or a column of cells is held by two ranks or none.
    """
    first = entries[0]
    if any((e.lies, e.shape, e.dtype) != (first.lies, first.shape, first.dtype) for e in entries):
        raise ValueError(f"the ranks do not agree on how {path} lies, or on its shape or type")
    if first.lies == "ranks":
        return replace(first, files=tuple(name for e in entries for name in e.files))
    if first.lies != "cells":
        if len(entries) > 1:
            raise ValueError(f"two ranks hold the site {path}")
        return first
    parts = sorted((cells_file(name) for e in entries for name in e.files), key=lambda part: part.lo)
    end = 0
    for part in [*parts, Shard("", samples, samples)]:
        if part.lo < end:
            raise ValueError(f"two ranks hold the columns {part.lo} to {min(part.hi, end)} of {path}")
        if part.lo > end:
            raise ValueError(f"no rank holds the columns {end} to {part.lo} of {path}")
        end = part.hi
    return replace(first, files=tuple(part.name for part in parts))


def cells_file(name: str) -> Shard:
    """A file of cells, with the columns that its name gives. Raises Refused."""
    found = CELLS.fullmatch(name)
    if not found:
        raise Refused(f"{name[:80]!r} is not the name of a file of cells")
    return Shard(name, int(found[1]), int(found[2]))


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise Refused(f"damaged: {value!r} is not a count")
    return value


def _path(name: str) -> str:
    if not PATH.fullmatch(name) or len(name) > 200:
        raise Refused(f"{name[:80]!r} is not the name of an array")
    return name


def _file_name(name: str) -> str:
    if not any(kind.fullmatch(name) for kind in (SHARD, SITES, CELLS)):
        raise Refused(f"{name[:80]!r} is not the name of a file of a checkpoint")
    return name


def _shard(raw: dict[str, Any]) -> Shard:
    shard = Shard(_file_name(raw["name"]), _count(raw["lo"]), _count(raw["hi"]))
    if shard.name != f"shard-{shard.lo}-{shard.hi}.h5":
        raise Refused(f"damaged: the record gives {shard.name} the columns {shard.lo} to {shard.hi}")
    return shard


def _entry(raw: dict[str, Any], samples: int, sizes: dict[str, int]) -> Entry:
    lies, shape, dtype = raw["lies"], tuple(_count(n) for n in raw["shape"]), raw["dtype"]
    if lies not in get_args(Lies) or not DTYPE.fullmatch(dtype) or len(shape) > 8:
        raise Refused(f"damaged: {lies!r}, {dtype!r} do not describe an array")
    if lies in SAMPLED and shape[-1:] != (samples,):
        raise Refused(f"damaged: an array in {lies} has the shape {shape}, but there are {samples} samples")
    if lies in SITED and raw["file"] not in sizes:
        raise Refused(f"damaged: the file {raw['file']!r} of a site is not listed")
    files = tuple(raw["files"]) if lies in ("cells", "ranks") else ()  # earlier versions had none
    if lies == "ranks" and (len(set(files)) < len(files) or not set(files) <= set(sizes)):
        raise Refused("damaged: the files of an array by rank are not listed once each")
    return Entry(lies, shape, dtype, str(raw["sha256"]), str(raw["file"]), files)


def _cover(shards: list[Shard], samples: int, sizes: dict[str, int], what: str) -> None:
    ends = [0] + [shard.hi for shard in shards]
    forward = all(shard.lo < shard.hi for shard in shards)
    if not forward or [shard.lo for shard in shards] != ends[:-1] or ends[-1] != samples:
        raise Refused(f"damaged: the {what} do not cover the {samples} samples exactly once")
    if any(shard.name not in sizes for shard in shards):
        raise Refused(f"damaged: the size of one of the {what} is not listed")
