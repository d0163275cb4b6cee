"""Predictions as columns, and the files that hold them."""

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from hpcadmm.after.trained import Trained
from hpcadmm.datasets.outputs import target_names
from hpcadmm.model.losses.base import decide, probabilities
from hpcadmm.model.state import Array
from hpcadmm.storage.hdf5 import fill_array, write_text, writing

ROWS = 1 << 16  # of one block
LINES = 1 << 12  # rows that are written as text at a time
ONE = {"scores": "score", "probabilities": "probability", "values": "value"}  # beginning of the name of one column

Columns = dict[str, Array]  # arrays (samples,) or (samples, outputs)


@dataclass(frozen=True)
class Sheet:
    """What a network says about any number of samples."""

    trained: Trained

    def columns(self, z: Array) -> Columns:
        """Outputs z (n_L, samples) as classes with scores or probabilities, or as regression values."""
        trained = self.trained
        if not trained.classes:
            targets = trained.transform.targets
            z = trained.job.loss.mean(z)
            return {"values": (targets.undo(z) if targets else z).T}
        classes = decide(z)
        if trained.job.loss.probable:
            scores = {"probabilities": probabilities(z).T}
        else:
            scores = {"scores": z.T}
        return {"class": classes, "name": np.array(trained.names)[classes], **scores}

    @property
    def empty(self) -> Columns:
        """The columns of no samples."""
        return self.columns(np.empty((self.trained.network.n[-1], 0), self.trained.dtype))

    def flat(self, columns: Columns) -> Columns:
        """One-dimensional columns by name: class, name, "probability NAME" of each class; or "value NAME"."""
        found: Columns = {}
        trained = self.trained
        of = trained.names if trained.classes else target_names(trained.columns, trained.network.n[-1])
        for key, values in columns.items():
            outputs = of if len(of) == values.shape[-1] else range(values.shape[-1])
            names = [key] if values.ndim == 1 else [f"{ONE[key]} {name}" for name in outputs]
            found |= dict(zip(names, np.atleast_2d(values.T), strict=True))
        return found

    def lines(self, z: Array) -> bytes:
        """The lines of a csv file; numbers keep all their bits."""
        text, columns = io.StringIO(newline=""), list(self.flat(self.columns(z)).values())
        writer = csv.writer(text, lineterminator="\n")
        for lo in range(0, z.shape[1], LINES):
            cells = [values[lo : lo + LINES].astype(str).tolist() for values in columns]
            writer.writerows(zip(*cells, strict=True))
        return text.getvalue().encode()

    def outputs(self, z: Array) -> bytes:
        """The outputs themselves, sample by sample."""
        return np.ascontiguousarray(z.T).tobytes()

    def blocks(self, spooled: IO[bytes]) -> Iterator[Columns]:
        """The columns of all samples, a block at a time, from what `outputs` made."""
        spooled.seek(0)
        width = self.trained.network.n[-1]
        while data := spooled.read(ROWS * width * np.dtype(self.trained.dtype).itemsize):
            yield self.columns(np.frombuffer(data, self.trained.dtype).reshape(-1, width).T)


def write_csv(path: Path, sheet: Sheet, spooled: IO[bytes], samples: int) -> None:
    """Write a header, then a line per sample."""
    spooled.seek(0)
    with open(path, "wb") as file:
        head = io.StringIO(newline="")
        csv.writer(head, lineterminator="\n").writerow(sheet.flat(sheet.empty))
        file.write(head.getvalue().encode())
        shutil.copyfileobj(spooled, file, 1 << 20)


def write_npz(path: Path, sheet: Sheet, spooled: IO[bytes], samples: int) -> None:
    """Write the columns as arrays, and the class names, without pickles."""
    with zipfile.ZipFile(path, "w") as archive:
        for key, none in sheet.empty.items():
            shape, kind = (samples, *none.shape[1:]), np.lib.format.dtype_to_descr(none.dtype)
            with archive.open(zipfile.ZipInfo(f"{key}.npy"), "w", force_zip64=True) as member:
                head = {"descr": kind, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(member, head)
                for block in sheet.blocks(spooled):
                    member.write(np.ascontiguousarray(block[key]).data)
        if sheet.trained.names:
            with archive.open(zipfile.ZipInfo("names.npy"), "w") as member:
                np.lib.format.write_array(member, np.array(sheet.trained.names), allow_pickle=False)


def write_h5(path: Path, sheet: Sheet, spooled: IO[bytes], samples: int) -> None:
    """Write the columns as datasets with checksums, text in UTF-8, and the class names as JSON in `names`."""
    names = np.char.encode(np.array(sheet.trained.names, str), "utf-8")

    def stored(columns: Columns, key: str) -> Array:
        return names[columns["class"]] if key == "name" else columns[key]

    with writing(path, {}) as file:
        for key in sheet.empty:
            none = stored(sheet.empty, key)
            blocks = (stored(block, key) for block in sheet.blocks(spooled))
            fill_array(file, key, (samples, *none.shape[1:]), none.dtype, blocks)
        write_text(file, "names", json.dumps(sheet.trained.names))


def write_parquet(path: Path, sheet: Sheet, spooled: IO[bytes], samples: int) -> None:
    """Write a column for each of csv."""
    from hpcadmm.datasets.tabular.parquet import write

    write(path, sheet.flat(sheet.empty), map(sheet.flat, sheet.blocks(spooled)))


Encode = Callable[[Sheet, Array], bytes]
Write = Callable[[Path, Sheet, IO[bytes], int], Any]
FORMATS: Mapping[str, tuple[Encode, Write]] = {
    ".csv": (Sheet.lines, write_csv),
    ".npz": (Sheet.outputs, write_npz),
    ".h5": (Sheet.outputs, write_h5),
    ".parquet": (Sheet.outputs, write_parquet),
}
