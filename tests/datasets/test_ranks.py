"""The same on real ranks: bits of standardised columns, and errors that end them all."""

import gzip
import json
import re
import struct
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CODE = """
import hashlib, json, sys
import numpy as np
from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
world, found = World(), []
for name, options in json.loads(sys.argv[1]):
    for dtype in (np.float32, np.float64):
        loaded = DATASETS[name](**options).load(1, world, dtype, ones=True)
        for part in (loaded.train, loaded.test):
            columns = [hashlib.sha256(c.tobytes() + y.tobytes()).hexdigest()
                       for c, y in zip(part.x.T, part.labels.T, strict=True)]
            everything = sum(world.gather(columns), [])
            found.append(hashlib.sha256("".join(everything).encode()).hexdigest())
        found.append(loaded.transform.inputs.shift.tobytes().hex()[:64])
        world.digest_agrees(loaded.digest, "the data")
if world.first:
    print(json.dumps(found))
"""
JOBS = [
    ("digits", {"standardise": True}),
    ("digits", {"classes": [3, 8, 1], "first": 101, "downsample": 2}),
    ("synthetic", {"samples": 333, "outputs": 2, "task": "regression", "standardise_targets": True}),
    ("synthetic", {"samples": 3, "test_samples": 1, "scale": "unit"}),
    ("csv", {"path": "a.csv", "scale": "max", "task": "regression"}),
]


def test_one_two_and_five_ranks_have_the_same_bits(mpirun: Callable[..., Any], tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.csv", np.random.default_rng(0).standard_normal((311, 6)) * 1e3, delimiter=",")
    (tmp_path / "program.py").write_text(CODE)
    said = [mpirun(n, ["program.py", json.dumps(JOBS)]).check().stdout for n in (1, 2, 5)]
    assert json.loads(said[0])
    assert len(set(said)) == 1


def test_a_fault_in_one_ranks_rows_is_an_error_on_all(mpirun: Callable[..., Any], tmp_path: Path) -> None:
    caught = "except Exception as error:\n    open(f'said-{world.rank}', 'w').write(f'{type(error).__name__} {error}')"
    code = f"try:\n{textwrap.indent(CODE, '    ')}\n{caught}\n"
    (tmp_path / "program.py").write_text(code)
    table = np.ones((400, 3))
    table[399, 1] = np.nan
    np.savetxt(tmp_path / "a.csv", table, delimiter=",")
    (tmp_path / "a.csv").write_text((tmp_path / "a.csv").read_text().replace("nan", "x"))
    options = [("csv", {"path": "a.csv", "split": 1.0, "shuffle": False})]
    n = mpirun(3, ["program.py", json.dumps(options)]).check().n
    said = [(tmp_path / f"said-{rank}").read_text() for rank in range(n)]
    assert all(re.match(r"UsageError \S*a.csv: line 400, column 2: ", text) for text in said)


def test_a_gzip_cut_after_the_first_ranks_rows(mpirun: Callable[..., Any], tmp_path: Path) -> None:
    for part, n in (("train", 900), ("t10k", 100)):
        pixels = np.random.default_rng(n).integers(0, 256, (n, 784), np.uint8)
        for kind, data in (
            ("images-idx3", struct.pack(">4I", 0x803, n, 28, 28) + pixels.tobytes()),
            ("labels-idx1", struct.pack(">2I", 0x801, n) + bytes(n)),
        ):
            (tmp_path / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(data))
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-50_000] + path.read_bytes()[-8:])  # the length at the end is still right
    (tmp_path / "program.py").write_text(CODE)
    ended = mpirun(3, ["program.py", json.dumps([("mnist", {"path": str(tmp_path)})])])
    assert ended.returncode != 0
    assert "train-images-idx3-ubyte.gz: the gzip file is damaged or incomplete" in ended.output
