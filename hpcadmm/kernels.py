"""Declare compiled kernels, and keep their machine code from start to start.

numba keeps it next to the source, or, where that folder cannot be written, in the user's cache folder; NUMBA_CACHE_DIR
names another one. Where none can be written, a kernel is compiled at every start.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

CURE = "set NUMBA_CACHE_DIR to a folder that can be written"
FOLDERS = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
declared: list[Any] = []  # numba's dispatchers, one a kernel
_lost: list[str] = []  # why compiled kernels are not kept


class Kept(FunctionCache):
    """numba's cache, except that a damaged or unwritable file never ends a run."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001 (unpickling what a crash left can raise anything)
            self.save(self.flush)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        self.save(lambda: super(Kept, self).save_overload(sig, data))

    def save(self, write: Callable[[], None]) -> None:
        """Write to the cache, or note why that fails."""
        try:
            write()
        except Exception as error:  # noqa: BLE001 (a full disk, a damaged index)
            _lost.append(f"{self.cache_path}: {error}")


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call with each kind of arguments: IEEE division, no GIL, kept on disk."""
    compiled: Any = njit(error_model="numpy", nogil=True)(function)
    try:
        compiled._cache = _cache(function)
    except RuntimeError:
        _lost.append("no folder for them can be written")
    declared.append(compiled)
    return compiled


def _cache(function: Callable[..., Any]) -> Kept:
    """Raises RuntimeError if no folder can be written; without a home numba would make one named ~ right here."""
    beside = Path(function.__code__.co_filename).parent
    if not any(os.environ.get(name) for name in FOLDERS) and not os.access(beside, os.W_OK):
        Path("~").expanduser()
    return Kept(function)


def signatures() -> set[tuple[str, Any]]:
    """The kernels compiled or loaded in this process, with the types of their arguments."""
    return {(f"{one.py_func.__module__}.{one.py_func.__qualname__}", sig) for one in declared for sig in one.signatures}


def kept() -> str:
    """The folder where kernels are kept; "" if they are not."""
    folders = {str(one._cache.cache_path) for one in declared if one._cache.cache_path}
    return "" if _lost or not folders else os.path.commonpath(folders)


def lost() -> str:
    """Why compiled kernels are not kept for the next start; "" if they are."""
    return f"compiled kernels are not kept, so every start compiles them anew: {_lost[0]}" if _lost else ""
