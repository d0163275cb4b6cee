"""Tables of a job file -> dataclasses, with every fault listed in one line that a person can act on."""

import json
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hpcadmm.errors import UsageError
from hpcadmm.registry import Registry


def chosen(
    registry: Registry, name: Any, table: dict[str, Any], where: str, faults: list[str], beside: Iterable[str]
) -> Any:
    """The registered dataclass of this name made from a table; None where something is wrong."""
    if name not in registry:
        faults.append(f"{registry.kind} = {name!r}: known are {', '.join(registry)}")
        return None
    return plain(registry[name], table, where, faults, beside)


def named(registry: Registry, table: dict[str, Any], where: str, faults: list[str]) -> Any:
    """A table whose `name` chooses the dataclass that the other keys belong to."""
    if "name" not in table:
        faults.append(f"{where}.name is missing: known are {', '.join(registry)}")
        return None
    return chosen(registry, table["name"], {k: v for k, v in table.items() if k != "name"}, where, faults, ["name"])


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def plain(cls: Any, table: dict[str, Any], where: str, faults: list[str], beside: Iterable[str] = ()) -> Any:
    """A dataclass from a table; None where something is wrong. `beside`: keys that are known but not its own."""
    dot = f"{where}." if where else ""
    known = [f.name for f in fields(cls)]
    unknown = [key for key in table if key not in known]
    for key in unknown:
        allowed = ", ".join(sorted([*beside, *known]))
        faults.append(f"{dot}{key}: unknown key; {f'[{where}]' if where else 'a job'} takes {allowed}")
    try:
        text = json.dumps({key: value for key, value in table.items() if key in known})
    except TypeError as error:  # a TOML date or time
        faults.append(f"{where}: {error}")
        return None
    try:
        return _adapter(cls).validate_json(text, strict=True)
    except ValidationError as error:
        faults += _faults(error, cls, dot)
    except UsageError as error:
        faults.append(str(error))
    return None


def _faults(error: ValidationError, cls: type, dot: str) -> list[str]:
    """One line for each wrong key: its name, the value, what is allowed."""
    lines: dict[str, list[str]] = {}
    for one in error.errors(include_url=False):
        key = str(one["loc"][0]) if one["loc"] else ""
        message = one["msg"][:1].lower() + one["msg"][1:]
        given = json.dumps(one["input"]) if one["type"] != "missing" else "(missing)"
        if one["type"] == "dataclass_type" or not key:
            given = ""
        line = lines.setdefault(f"{dot}{key} = {given}" if len(one["loc"]) < 2 else f"{dot}{key}", [])
        if message not in line:
            line.append(message if len(one["loc"]) < 2 else f"{given} {message}")
    return [f"{key}: {' or '.join(dict.fromkeys(messages))}" for key, messages in lines.items()]
