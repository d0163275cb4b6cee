"""The fields `index:value` of LIBSVM lines, parsed by pyarrow."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import csv

LABEL = -1  # stands for the index in front of a label
TYPES = {"index": pyarrow.int64(), "value": pyarrow.float64()}


def parsed(lines: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Index (LABEL: a label) and value of each field of lines `label index:value ...`; None if one is not so written.

    >>> at, values = parsed(["+1 3:2.5 7:-1", "-1"])
    >>> at.tolist(), values.tolist()
    ([-1, 3, 7, -1], [1.0, 2.5, -1.0, -1.0])
    """
    marked = f"{LABEL}:" + f"\n{LABEL}:".join(line.lstrip() for line in lines)
    data = "\n".join(marked.split()).replace(":+", ":").encode()
    options: dict[str, Any] = {
        "read_options": csv.ReadOptions(column_names=list(TYPES), use_threads=False, block_size=len(data) + 1),
        "parse_options": csv.ParseOptions(delimiter=":", quote_char=False),
        "convert_options": csv.ConvertOptions(column_types=TYPES, null_values=[]),
    }
    try:
        table = csv.read_csv(pyarrow.BufferReader(data), **options)
    except pyarrow.ArrowInvalid:
        return None
    at, values = (column.to_numpy() for column in table.columns)
    return (at, values) if np.count_nonzero(at == LABEL) == len(lines) and ":+-" not in marked else None
