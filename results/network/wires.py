"""Of the comparisons in FOLDER (wires.sh): a table on standard output. wires.py FOLDER"""

import csv
import sys
from pathlib import Path


def of(row: dict[str, str], key: str) -> str:
    """Median (range) of a figure of a row of summary.csv; empty: a run has none, or all the same."""
    median, low, high = (row[f"{key}_{which}"] for which in ("median", "min", "max"))
    return " ".join(f"{float(value):.3g}" for value in (median, low, high) if value)


def main(folder: Path) -> None:
    print("| | rate | ms an iteration | reached | iterations | seconds | MB |\n|---|---|---|---|---|---|---|")
    for file in sorted(folder.glob("*.csv")):
        name, rate = file.stem.rsplit("-", 1)
        for row in csv.DictReader(file.open()):
            each = f"{1e3 * float(row['seconds_median']) / float(row['iterations_median']):.3g}"
            found = [of(row, f"target_{key}") for key in ("iterations", "seconds")]
            size = f"{float(row['bytes_median']) / 1e6:.3g}"
            print("|", " | ".join([f"{name} {row['job']}", rate, each, row["reached"], *found, size]), "|")


main(Path(sys.argv[1]))
