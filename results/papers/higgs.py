"""The real HIGGS rows of two public tables as one: higgs.py FOLDER OUT writes OUT/train.csv and OUT/test.csv.

FOLDER holds higgs-lightgbm/binary.train and binary.test (microsoft/LightGBM, examples/binary_classification; label
first, three decimals) and higgs-sas/higgs.csv (sassoftware/sas-viya-workbench-examples; label last, all digits). All
are rounded to three decimals; rows that occur twice stay once; 3,474 rows, drawn with seed 0, are the test part.
"""

import sys
from pathlib import Path

import numpy as np

TEST = 3474

source, out = map(Path, sys.argv[1:])
light = [np.loadtxt(source / "higgs-lightgbm" / name) for name in ("binary.train", "binary.test")]
table = source / "higgs-sas" / "higgs.csv"
names = table.open().readline().strip().split(",")
sas = np.loadtxt(table, delimiter=",", skiprows=1)
rows = np.round(np.vstack([*(np.roll(part, -1, axis=1) for part in light), sas]), 3)  # the label last
rows = np.unique(rows, axis=0)
rows = rows[np.random.default_rng(0).permutation(len(rows))]
out.mkdir(parents=True, exist_ok=True)
for name, part in (("test.csv", rows[:TEST]), ("train.csv", rows[TEST:])):
    np.savetxt(out / name, part, fmt=["%.3f"] * 28 + ["%d"], delimiter=",", header=",".join(names), comments="")
print(f"{len(rows) - TEST} and {TEST} rows in {out}")
