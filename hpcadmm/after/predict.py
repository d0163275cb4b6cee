"""Predictions of a trained network: from a file of features to a file of classes or values, on all ranks."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from hpcadmm.after.sheet import FORMATS, Sheet
from hpcadmm.after.spool import collect, spool
from hpcadmm.after.trained import Trained, Warn, Which, read
from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.columns import Columns
from hpcadmm.datasets.disk.lookup import check_there
from hpcadmm.datasets.formats.tables import Csv
from hpcadmm.datasets.given.inputs import Block, blocks, dealt
from hpcadmm.datasets.given.recognise import format_of
from hpcadmm.datasets.given.unlabelled import table_for
from hpcadmm.datasets.table import Table
from hpcadmm.errors import UsageError
from hpcadmm.job.tables import named
from hpcadmm.job.typed import options as keys
from hpcadmm.model.state import Array
from hpcadmm.storage.durable import absent, kind, spoken, written


@dataclass(frozen=True)
class Reading:
    """How the input is read. settings: KEY=VALUE options of its format; ignored: the csv column to skip."""

    settings: Sequence[str] = ()
    ignored: str | None = None

    @property
    def column(self) -> str | int | None:
        """The ignored column by name or number."""
        number = self.ignored is not None and self.ignored.lstrip("-").isdecimal()
        return int(self.ignored or "") if number else self.ignored


def predict(
    run: Path, source: Path, out: Path, how: Reading, force: bool, iteration: Which, world: World, warn: Warn
) -> dict[str, Any]:
    """Write the predictions for the samples in `source` to `out`, in their order; returns their number and columns.

    Every rank reads and predicts its own rows; the first rank writes. The file does not depend on the number of ranks,
    and the memory not on that of the samples. Text is read twice: first to check and to count its rows. Collective.
    Raises UsageError, on all ranks, for an invalid run, input or output.
    """
    trained = read(run, iteration, world, warn)
    sheet = Sheet(trained)
    with world.together("predicting"):
        encode, write = FORMATS[kind(out, FORMATS)]
        if world.first:
            absent(out, force)
    with phase("reading the input"):
        table, factor = opened(trained, source, how, world)
        how_read = trained.transform.inputs, trained.dtype, trained.network.bias, factor
        found = blocks(table, dealt(table, world), *how_read)
    told(table.warnings, world, warn)
    with spool(out) as mine:
        with phase("predicting"), world.together("predicting"), threadpool_limits(trained.job.head.threads):
            for z in outputs(trained, found):
                with spoken(f"write {out}"):
                    mine.write(encode(sheet, z))
        told(table.remarks(world), world, warn)
        collect(mine, out, world)
        with world.together("writing the predictions"):
            if world.first:
                written(out, lambda aside: write(aside, sheet, mine, table.rows))
    return {"out": str(out), "samples": table.rows, "holds": list(sheet.empty), "which": trained.which}


def told(lines: Sequence[str], world: World, warn: Warn) -> None:
    """Say lines that are the same on all ranks, once."""
    for line in lines if world.first else ():
        warn(line)


def outputs(trained: Trained, found: Iterator[Block]) -> Iterator[Array]:
    """z (n_L, columns) of each block, made tile by tile, so that its bits do not depend on the block."""
    for x, tiles in found:
        z = np.empty((trained.network.n[-1], x.shape[1]), trained.dtype, order="F")
        for t in tiles:
            z[:, t] = trained.output(x[:, t])
        yield z


def opened(trained: Trained, source: Path, how: Reading, world: World) -> tuple[Table, int]:
    """The table of the features, and the factor of down-sampling of its images. Collective."""
    with world.together("reading the input"):
        like = reader(trained, source, how)
    return table_for(source, like, trained.transform, trained.columns, how.column, world), like.downsample


def reader(trained: Trained, source: Path, how: Reading) -> Dataset:
    """A dataset of the file's format, with the given options and those of the run that the format shares."""
    check_there(source)
    own, name = trained.job.data, format_of(source, type(trained.job.data)).name
    given = keys(how.settings)
    if name not in DATASETS:
        if given:
            raise UsageError(f"{source}: the format {name} has no options; remove --set")
        return own
    options: dict[str, Any] = asdict(own) if own.name == name else {"downsample": own.downsample}
    if name == Csv.name != own.name and isinstance(trained.columns, Columns):
        options["target"] = trained.columns.place  # as in the training table
    options = {key: value for key, value in (options | given).items() if value is not None}
    faults: list[str] = []
    dataset: Dataset = named(DATASETS, {"name": name, **options}, "data", faults)
    if faults:
        raise UsageError("\n".join(faults))
    return dataset
