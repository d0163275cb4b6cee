"""The table of README.md: means (least to largest) of the scores in a folder of files DATA-ENTRANT."""

import sys
from pathlib import Path
from statistics import mean

DATA = ("adult", "covtype", "wine", "digits", "california")


def cell(scores: list[float]) -> str:
    """Their mean and range, in per cent."""
    return f"{100 * mean(scores):.2f} ({100 * min(scores):.2f}-{100 * max(scores):.2f})" if scores else "-"


print("| data | default | best mpadmm | best adam | default - best |\n|---|---|---|---|---|")
for data in DATA:
    files = [Path(sys.argv[1], f"{data}-{entrant}") for entrant in ("default", "mpadmm", "adam")]
    found = [[float(line) for line in file.read_text().split()] if file.exists() else [] for file in files]
    if found[0]:
        best = max((mean(scores) for scores in found[1:] if scores), default=float("nan"))
        print(f"| {data} | {' | '.join(map(cell, found))} | {100 * (mean(found[0]) - best):+.2f} |")
