"""Real tables, from the file to predictions: python tests/wild/run.py FOLDER [NAME ...]; exit code 1 if one fails.

FOLDER holds the files (adult/adult.data, small/abalone.csv, ...). For each table: train on the file with nothing set
but data.path, the target and the test file; evaluate; predict the raw file again, also with its columns in another
order or without the target; compare the predictions with the labels in the file.
"""

import csv
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the package `tests`

from hpcadmm.errors import UsageError
from tests.helpers.rounds import Round, accuracy, rmse, trained


@dataclass(frozen=True)
class Real:
    """A table. column: of the labels, counted from 0, -1: the last. test: its test file."""

    path: str
    column: int = -1
    options: dict[str, Any] = field(default_factory=dict)
    test: str = ""
    loss: str = "cross-entropy"
    header: bool = False
    separator: str = ","
    quote: str = '"'

    def rows(self, file: Path) -> tuple[list[str], list[list[str]]]:
        """The header, empty if there is none, and the rows."""
        with open(file, encoding="utf-8-sig", newline="") as lines:
            found = csv.reader(lines, delimiter=self.separator, quotechar=self.quote, skipinitialspace=True)
            rows = [row for row in found if row]
        return (rows[0], rows[1:]) if self.header else ([], rows)

    def truth(self, file: Path) -> list[str]:
        """The labels in the file, as the network calls its classes."""
        if self.separator == "libsvm":
            return [line.split()[0].lstrip("+") for line in file.read_text().splitlines()]
        cells = [row[self.column].strip().removesuffix(".") for row in self.rows(file)[1]]
        return ["" if cell == "?" else cell for cell in cells]

    def moved(self, file: Path, to: Path) -> None:
        """Write the table without its target, with a header also in reverse order."""
        head, rows = self.rows(file)
        target = self.column % len(rows[0])
        order = [k for k in range(len(rows[0])) if k != target]
        order = order[::-1] if head else order
        with open(to, "w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, delimiter=self.separator, quotechar=self.quote, lineterminator="\n")
            writer.writerows([row[k] for k in order] for row in ([head] if head else []) + rows)


TABLES = {
    "adult": Real("adult/adult.data", test="adult.test"),
    "a9a": Real("a9a/a9a", 0, {"name": "libsvm"}, "a9a.t", separator="libsvm"),
    "covtype": Real("covtype/covtype_sample.csv", header=True),
    "wine": Real("wine/winequality-white.csv", header=True, separator=";"),
    "airline": Real("airline/allyears_tiny.csv", header=True),
    "credit-german": Real("credit-german/german.csv"),
    "higgs-lightgbm": Real("higgs-lightgbm/binary.train", 0, {"target": "first"}, "binary.test", separator="\t"),
    "higgs-sas": Real("higgs-sas/higgs.csv", header=True),
    "abalone": Real("small/abalone.csv", loss="squared"),
    "auto_imports": Real("small/auto_imports.csv", loss="squared"),
    "breast-cancer": Real("small/breast-cancer.csv", quote="'"),
    "horse-colic": Real("small/horse-colic.csv", 23, {"target": 23}),
    "diamonds": Real("small/diamonds.csv", 6, {"target": "price"}, loss="squared", header=True),
}
JOB = {"network": {"hidden": [32]}, "solver": {"name": "adam"}, "stop": {"iterations": 1000}, "evaluate": {"every": 0}}


def tried(real: Real, folder: Path, place: Path) -> Iterator[str]:
    """The cells of the table's line: score, deviation of the predictions from it, features, warnings."""
    path = folder / real.path
    data = {"name": "csv", "path": str(path), **real.options} | ({"test": real.test} if real.test else {})
    done = trained(place, data, real.loss, **JOB)
    file = path.with_name(real.test) if real.test else path
    found = done.evaluated(part="test" if real.test else "all")
    score = found["accuracy"] if real.loss == "cross-entropy" else found["targets"][0]["rmse"]
    predicted = done.predicted(file)
    mine = (accuracy if real.loss == "cross-entropy" else rmse)(predicted, real.truth(file))
    yield f"{score:.4f}"
    yield f"{abs(mine - score) / abs(score):.1e}"
    if real.separator != "libsvm":
        real.moved(file, place / "moved.csv")
        same = sum(a == b for a, b in zip(done.predicted(place / "moved.csv"), predicted, strict=True))
        yield f"{same} of {len(predicted)} the same"
    yield from said(done)


def said(done: Round) -> Iterator[str]:
    """The lines about the data in the run's log."""
    skipped = ("preparing kernels", "stopped after", " on 1 ranks")
    yield from (f"\n    {line}" for line in dict.fromkeys(done.said) if not any(word in line for word in skipped))


def main(folder: Path, names: list[str]) -> int:
    faults = 0
    for name in names or TABLES:
        start, cells = time.perf_counter(), []
        with tempfile.TemporaryDirectory() as place:
            try:
                for cell in tried(TABLES[name], folder, Path(place)):
                    cells.append(cell)
            except UsageError as error:
                faults += 1
                cells.append(f"\n    REFUSED: {error}")
        print(f"{name:16}{time.perf_counter() - start:6.1f} s ", *cells, flush=True)
    return faults


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(bool(main(Path(sys.argv[1]), sys.argv[2:])))
