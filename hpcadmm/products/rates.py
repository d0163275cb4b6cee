"""Which kernels multiply in bfloat16 on this processor, and how fast each precision is."""

import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from hpcadmm.products import PRECISIONS, engine_of

# numkong's sets of kernels for bfloat16, the fastest first, and the instructions that they use.
KERNELS = {
    "graniteamx": "AMX",
    "sapphireamx": "AMX",
    "genoa": "AVX512-BF16",
    "smebf16": "SME",
    "sme": "SME",
    "svebfdot": "SVE",
    "neonbfdot": "NEON",
    "rvvbf16": "RISC-V vectors",
}


def installed() -> bool:
    """Is the package of bfloat16 products installed?"""
    return find_spec("numkong") is not None


def kernels() -> str:
    """numkong's version and kernels on this processor; its import takes 44 MB.

    >>> kernels().startswith("numkong") if installed() else True
    True
    """
    from numkong import get_capabilities

    can = get_capabilities()
    best = next((name for name in KERNELS if can.get(name)), "")
    rest = [name for name, true in can.items() if true]
    found = f"{best} ({KERNELS[best]})" if best else f"{rest[-1]}, without instructions for bfloat16"
    return f"numkong {version('numkong')} {found}"


def in_use() -> str:
    """The same if this process has loaded numkong, else ""."""
    return kernels() if "numkong" in sys.modules else ""


def square(precision: str, n: int, seed: int = 0) -> Callable[[], Any]:
    """A product W a of two random matrices (n, n), 2 n^3 operations; W is prepared once, as in a sweep."""
    engine, dtype, random = engine_of(precision), PRECISIONS[precision], np.random.default_rng(seed)
    W, a = (engine.data(np.asfortranarray(random.standard_normal((n, n)), dtype)) for _ in range(2))
    out = np.empty((n, n), dtype, order="F")
    return lambda: engine.apply(W, a, out)
