"""The large matrix products of all solvers, over their samples: one engine for each precision of a job."""

from typing import Any

import numpy as np

from hpcadmm.errors import UsageError
from hpcadmm.products.base import Engine
from hpcadmm.products.plain import Plain

NEEDED = "precision = \"bfloat16\" needs the package numkong: pip install 'hpcadmm[bf16]'"
PRECISIONS: dict[str, Any] = {"float64": np.float64, "float32": np.float32, "bfloat16": np.float32}  # of the arrays


def engine_of(precision: str) -> Engine:
    """The engine of a job's precision. Raises UsageError if it needs a package that is not installed."""
    if precision == "bfloat16":
        try:
            from hpcadmm.products.bf16 import Bf16  # numkong takes 44 MB
        except ImportError as error:
            raise UsageError(f"{NEEDED} ({error})") from None
        return Bf16()
    return Plain(precision)
