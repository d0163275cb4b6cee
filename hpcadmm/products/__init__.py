"""The large matrix products of all solvers, over their samples: one engine for each precision of a job."""

from typing import Any

import numpy as np

from hpcadmm.errors import UsageError
from hpcadmm.products.base import Engine
from hpcadmm.registry import Registry

NEEDED = "precision = \"bfloat16\" needs the package numkong: pip install 'hpcadmm[bf16]'"
ENGINES = Registry(
    "precision",
    later={
        "float64": "hpcadmm.products.plain:Plain",
        "float32": "hpcadmm.products.plain:Plain",
        "bfloat16": "hpcadmm.products.bf16:Bf16",
    },
    group="hpcadmm.engines",
    base="hpcadmm.products.base:Engine",
)


class Precisions(dict[str, Any]):
    """The type of the arrays by precision; for an engine of another package its `arrays`, float32 if it has none."""

    def __missing__(self, precision: str) -> Any:
        return getattr(ENGINES[precision], "arrays", np.float32)


PRECISIONS = Precisions(float64=np.float64, float32=np.float32, bfloat16=np.float32)


def engine_of(precision: str) -> Engine:
    """The engine of a job's precision. Raises UsageError if it needs a package that is not installed."""
    try:
        engine: Engine = ENGINES[precision](precision)  # numkong takes 44 MB
    except ImportError as error:
        raise UsageError(f"{NEEDED} ({error})") from None
    return engine
