"""Tables of a job from Python: dicts that a job file can hold, and changes of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from hpcadmm.datasets.columns import key as quoted
from hpcadmm.errors import UsageError
from hpcadmm.job.typed import parts


def as_toml(value: Any) -> Any:
    """A value as a job file holds it: without keys that are None, numbers and lists for numpy's, text for paths.

    >>> as_toml({"hidden": (np.int64(5), 3), "best": None, "path": Path("a.csv")})
    {'hidden': [5, 3], 'path': 'a.csv'}
    """
    if isinstance(value, Mapping):
        return {str(key): as_toml(one) for key, one in value.items() if one is not None}
    if isinstance(value, np.ndarray | np.generic):
        return as_toml(value.tolist())
    if isinstance(value, list | tuple | range):
        return [as_toml(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def written(tables: Mapping[str, Any]) -> str:
    """The tables as TOML. Raises UsageError for what TOML cannot hold."""
    try:
        return tomli_w.dumps(tables)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the job: {error}") from None


def changed(tables: dict[str, Any], path: Sequence[str], value: Any) -> Iterator[str]:
    """What `--set` would be given to change the tables so; removes keys that are None. path: of the value.

    >>> list(changed({}, [], {"solver": {"gamma": 5.0}, "network.hidden": (4, 3)}))
    ['solver.gamma=5.0', 'network.hidden=[4, 3]']
    """
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from changed(tables, [*path, *([str(key)] if path else parts(str(key)))], one)
    elif value is None:
        remove(tables, path)
    else:
        try:
            text = json.dumps(as_toml(value), ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{'.'.join(path)}: {error}") from None
        yield f"{'.'.join(map(quoted, path))}={text}"


def remove(tables: dict[str, Any], path: Sequence[str]) -> None:
    """Remove a key, if it is there."""
    *above, last = path
    place: Any = tables
    for name in above:
        place = place.get(name) if isinstance(place, dict) else None
    if isinstance(place, dict):
        place.pop(last, None)
