"""What can be wrong with the second of two checkpoints, and what is then said."""

import numpy as np

from tests.helpers import harm
from tests.helpers.harm import CELLS, MASTER, SHARD, SITES, Harm

ROWS = np.ones((200, 7))
CHECKED = {"chunks": (64, 7), "fletcher32": True}
TEXT = np.array([["text"] * 7] * 200, dtype=object)

# name: (the file that the message names, what it says, the harm)
ACCIDENTS: dict[str, tuple[str, str, Harm]] = {
    "truncated shard": (SHARD, r"it has \d+ bytes, the checkpoint was written with", harm.truncated(SHARD)),
    "truncated master": (MASTER, "truncated file", harm.truncated(MASTER)),
    "truncated sites": (SITES, r"it has \d+ bytes", harm.truncated(SITES)),
    "truncated cells": (CELLS, r"it has \d+ bytes", harm.truncated(CELLS)),
    "empty cells": (CELLS, "it has 0 bytes", harm.emptied_file(CELLS)),
    "missing cells": (CELLS, "the file is missing", harm.missing(CELLS)),
    "data of the cells": (CELLS, "damaged.*(checksum|Fletcher|filter)", harm.flipped_data(CELLS, "p/2")),
    "cells of another": (CELLS, "it belongs to another checkpoint", harm.of_another_checkpoint(CELLS)),
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
    "absent chunks": (SHARD, "parts of z/1 are missing", harm.dataset(SHARD, "z/1", harm.absent_chunks)),
    "external storage": (SHARD, "z/1 is stored in another file", harm.dataset(SHARD, "z/1", harm.external_storage)),
    "external link": (SHARD, "z/1 is a link to another place", harm.dataset(SHARD, "z/1", harm.external_link)),
    "soft link": (SHARD, "z/1 is a link to another place", harm.dataset(SHARD, "z/1", harm.soft_link)),
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
    "cells are a link": (CELLS, "damaged", harm.replaced_by_link(CELLS)),
    "cells are a pipe": (CELLS, "not a regular file", harm.replaced_by_pipe(CELLS)),
    "cells huge": (CELLS, r"c/2 has the shape \(200, 1374", harm.dataset(CELLS, "c/2", harm.huge)),
    "cells absent": (CELLS, "it holds no p/2", harm.dataset(CELLS, "p/2", lambda *_: None)),
    "cells elsewhere": (CELLS, "p/2 is a link to another place", harm.dataset(CELLS, "p/2", harm.external_link)),
    "cells virtual": (CELLS, "p/2 is a virtual dataset", harm.dataset(CELLS, "p/2", harm.virtual)),
    "cells of few samples": (
        CELLS,
        r"p/2 has the shape \(100, 4\), expected \(200, 4\)",
        harm.dataset(CELLS, "p/2", harm.plain(np.ones((100, 4)), chunks=(64, 4), fletcher32=True)),
    ),
    "cells of another type": (
        CELLS,
        "p/2 holds float32, expected float64",
        harm.dataset(CELLS, "p/2", harm.plain(np.ones((200, 4), "f4"), chunks=(64, 4), fletcher32=True)),
    ),
    "cells of no file": (MASTER, "files of c/2 do not cover the 200 samples", harm.cells_in()),
    "gap before the cells": (MASTER, "files of c/2 do not cover", harm.cells_in("cells-0-64-200.h5")),
    "gap in the cells": (MASTER, "files of c/2 do not cover", harm.cells_in("cells-0-0-64.h5", "cells-1-65-200.h5")),
    "gap behind the cells": (MASTER, "files of c/2 do not cover", harm.cells_in("cells-0-0-199.h5")),
    "overlapping cells": (MASTER, "exactly once", harm.cells_in("cells-0-0-65.h5", "cells-1-64-200.h5")),
    "cells twice": (MASTER, "exactly once", harm.cells_in(CELLS, CELLS)),
    "cells past the end": (MASTER, "files of c/2 do not cover", harm.cells_in("cells-0-0-201.h5")),
    "cells backwards": (
        MASTER,
        "files of c/2 do not cover",
        harm.cells_in("cells-0-0-128.h5", "cells-0-128-64.h5", "cells-0-64-200.h5"),
    ),
    "cells out of order": (MASTER, "do not cover", harm.cells_in("cells-1-64-200.h5", "cells-0-0-64.h5")),
    "cells by a path": (MASTER, "is not the name of a file of cells", harm.cells_in("../" + CELLS)),
    "cells by a path within": (MASTER, "is not the name of a file", harm.cells_in("cells-0-0-200.h5/../x.h5")),
    "cells in a shard": (MASTER, "'shard-0-200.h5' is not the name of a file of cells", harm.cells_in(SHARD)),
    "cells in numbers": (MASTER, "damaged", harm.cells_in(5)),
    "cells in other digits": (MASTER, "is not the name of a file", harm.cells_in("cells-0-0-\u0662\u0660\u0660.h5")),
    "cells in a file not listed": (
        MASTER,
        "the size of one of the files of c/2 is not listed",
        harm.record(lambda r: r["entries"]["c/2"].update(files=["cells-7-0-200.h5"])),
    ),
    "cells without files": (MASTER, "damaged", harm.record(lambda r: r["entries"]["c/2"].pop("files"))),
    "cells of another number": (
        MASTER,
        r"in cells has the shape \(4, 100\), but there are 200 samples",
        harm.record(lambda r: r["entries"]["p/2"].update(shape=[4, 100])),
    ),
    "cells said to be columns": (
        MASTER,
        r"p/2 is columns with the shape \(4, 200\); this job needs cells",
        harm.record(lambda r: r["entries"]["p/2"].update(lies="columns")),
    ),
    "cells of other rows": (
        MASTER,
        r"p/2 is cells with the shape \(9, 200\); this job needs cells, \(4, 200\)",
        harm.record(lambda r: r["entries"]["p/2"].update(shape=[9, 200])),
    ),
    "backward shards": (
        MASTER,
        "the shards do not cover",
        harm.record(
            lambda r: r["shards"].extend(
                {"name": f"shard-{lo}-{hi}.h5", "lo": lo, "hi": hi} for lo, hi in ((200, 9), (9, 200))
            )
        ),
    ),
    "weights elsewhere": (MASTER, "W/1 is a link to another place", harm.dataset(MASTER, "W/1", harm.external_link)),
    "weights external": (MASTER, "W/1 is stored in another file", harm.dataset(MASTER, "W/1", harm.external_storage)),
    "weights virtual": (MASTER, "W/1 is a virtual dataset", harm.dataset(MASTER, "W/1", harm.virtual)),
    "weights exchanged": (
        MASTER,
        "W/1 has changed since it was saved",
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
        "is not the name of a file of a checkpoint",
        harm.record(lambda r: r["shards"][0].update(name="../iteration-0000000010/" + SHARD)),
    ),
    "path in sizes": (
        MASTER,
        "is not the name of a file of a checkpoint",
        harm.record(lambda r: r["sizes"].update({"/etc/hostname": 5})),
    ),
    "path of a site": (MASTER, "is not listed", harm.record(lambda r: r["entries"]["q/1"].update(file="../x"))),
    "array named upwards": (
        MASTER,
        "is not the name of an array",
        harm.record(lambda r: r["entries"].update({"../x": r["entries"]["W/1"]})),
    ),
    "gap in the shards": (
        MASTER,
        "do not cover|the columns",
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
