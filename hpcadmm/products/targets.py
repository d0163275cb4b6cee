"""Where kernels write operands, rows being samples: a kernel that makes an array makes its operand in the same pass."""

from typing import Any

import numpy as np

from hpcadmm.products import rounding
from hpcadmm.products.base import Array, Operand


def also(operand: Operand) -> Array | None:
    """(samples, rows): the rounded entries, for a kernel that writes the array too; None: the operand is the array."""
    return None if isinstance(operand, np.ndarray) else _entries(operand)


def renew(operand: Operand, x: Array) -> None:
    """Let an operand of `Engine.columns` hold x, which has changed."""
    if not isinstance(operand, np.ndarray):
        rounding.round_plain(x.T, _entries(operand))


def _entries(operand: Any) -> Array:
    plain: Array = operand.fill()
    return plain
