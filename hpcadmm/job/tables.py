"""Tables of a job file -> dataclasses, with every fault listed in one line that a person can act on."""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import fields
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hpcadmm.datasets.disk.lookup import reason
from hpcadmm.datasets.disk.stream import foreign
from hpcadmm.errors import UsageError, meant
from hpcadmm.job.options import Evaluate, Layers, Save, Stop
from hpcadmm.job.typed import Raw, fits, name_of, parts, put, settled, untyped
from hpcadmm.registry import Registry


def toml_text(path: Path, unreadable: str) -> str:
    """The text of a TOML file, UTF-8 with or without a byte order mark. Raises UsageError: `unreadable` and why."""
    try:
        found = path.read_bytes()
        if what := foreign(found):
            raise UsageError(f"{unreadable}: {what}")
        text = found.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{unreadable}: {reason(error)}") from None
    except UnicodeDecodeError as error:
        line, byte = found[: error.start].count(b"\n") + 1, found[error.start]
        what = f"line {line} holds the byte 0x{byte:02x}, which is not UTF-8 (perhaps Latin-1); save it as UTF-8"
        raise UsageError(f"{unreadable}: {what}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def toml_file(path: Path, what: str, unreadable: str) -> dict[str, Any]:
    """The tables of a TOML file. Raises UsageError: `unreadable` if it cannot be read, or that `what` is not TOML."""
    return toml(toml_text(path, unreadable), what)


def toml(text: str, what: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises UsageError that `what` is not TOML."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, and very deep lists
        raise UsageError(f"{what} is not TOML: {error}") from None


def chosen(
    registry: Registry, name: Any, table: dict[str, Any], where: str, faults: list[str], beside: Iterable[str]
) -> Any:
    """The registered dataclass of this name, made from a table; None if something is wrong."""
    if not isinstance(name, str) or name not in registry:
        faults.append(registry.unknown(name))
        return None
    return plain(registry[name], table, where, faults, beside)


def named(registry: Registry, table: dict[str, Any], where: str, faults: list[str]) -> Any:
    """A table whose `name` chooses the dataclass that the other keys belong to."""
    if "name" not in table:
        faults.append(f"{where}.name is missing: known are {', '.join(registry)}")
        return None
    return chosen(
        registry, name_of(table["name"]), {k: v for k, v in table.items() if k != "name"}, where, faults, ["name"]
    )


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def plain(
    cls: Any, table: dict[str, Any], where: str, faults: list[str], beside: Iterable[str] = (), file: str = "a job"
) -> Any:
    """A dataclass made from a table; None if something is wrong. `beside`: further keys that are allowed."""
    dot = f"{where}." if where else ""
    known = [f.name for f in fields(cls)]
    unknown = [key for key in table if key not in known]
    takes = sorted([*beside, *known])
    for key in unknown:
        near, place = elsewhere(key) if file == "a job" else "", f"[{where}]" if where else file
        near = near or meant(key, takes)
        faults.append(f"{dot}{key}: unknown key; {near}{place} takes {', '.join(takes)}")
    own = {key: settled(cls, key, value) for key, value in table.items() if key in known}
    strange = {key: fault for key, value in own.items() if (fault := _not_json(cls, key, value))}
    faults += [f"{dot}{key}{fault}" for key, fault in strange.items()]
    text = json.dumps({key: value for key, value in own.items() if key not in strange})
    try:
        made = _adapter(cls).validate_json(text, strict=True)
        return None if strange else made
    except ValidationError as error:
        faults += _faults(error, own, dot)
    except UsageError as error:
        faults.append(str(error))
    return None


def elsewhere(key: str) -> str:
    """The question for a key in the wrong table.

    >>> elsewhere("iterations"), elsewhere("nonsense")
    ('did you mean stop.iterations? ', '')
    """
    tables: dict[str, Any] = {"network": Layers, "stop": Stop, "save": Save, "evaluate": Evaluate}
    found = [f"{table}.{key}" for table, cls in tables.items() if key in {f.name for f in fields(cls)}]
    return f"did you mean {' or '.join(found)}? " if found else ""


def _not_json(cls: type, key: str, value: Any) -> str:
    """The end of a message about a value that JSON cannot hold; "" for any other."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return f" = {value!a}: is not UTF-8"
    except TypeError:
        shown = f" = {value}" if isinstance(value, date | time) else ""
        if shown and fits(cls, key, str(value)):
            return f'{shown}: must be text in quotes, "{value}", not a date or a time'
        return f"{shown}: must not hold a date or a time"
    except (ValueError, RecursionError):
        return ": is too large"
    return ""


def _as_json(value: Any) -> str:
    """The value as JSON text; empty if it is a TOML date or time, or holds one, or a number of thousands of digits."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""


WORDS = {
    "bool_type": "must be true or false",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "string_type": "must be text in quotes",
}


def _faults(error: ValidationError, table: dict[str, Any], dot: str) -> list[str]:
    """One line for each wrong key: its name, the value, what is allowed."""
    by_key: dict[str, list[Any]] = {}
    for one in error.errors(include_url=False):
        if one["type"] != "missing":  # such a key is named already: it holds a date
            by_key.setdefault(str(one["loc"][0]) if one["loc"] else "", []).append(one)
    lines = []
    for key, errors in by_key.items():
        given = f"{dot}{key} = {_as_json(table[key])}" if key in table else f"{dot}{key}"
        allowed = " or ".join(dict.fromkeys(map(_words, _telling(errors))))
        meant = "list" in allowed and isinstance(text := table.get(key), str) and ("," in text or "[" in text)
        cure = "; a list is written [1, 2], on a command line in quotes" if meant else ""
        lines.append(f"{given}: {allowed.replace(' or must be ', ' or ')}{cure}")
    return lines


def _telling(errors: list[Any]) -> list[Any]:
    """The errors that say what is wrong. Of a key that takes several types each type complains: errors about entries of
    a list or table, or about a value of the right type, tell most."""
    entries = [one for one in errors if one["loc"] and (isinstance(one["loc"][-1], int) or len(one["loc"]) > 2)]
    right = [one for one in errors if not one["type"].endswith("_type")]
    return entries or right or errors


def _words(one: Any) -> str:
    """What is allowed; for an entry of a list also its position, from 1."""
    said = WORDS.get(one["type"], one["msg"].replace("Input should", "must", 1))
    index = one["loc"][-1] if one["loc"] else None
    return f"entry {index + 1}, {_as_json(one['input'])}, {said}" if isinstance(index, int) else said


def overridden(tables: dict[str, Any], override: str) -> None:
    """Apply one `table.key=value` or `key=value`; the value is read when the type of its key is known."""
    key, equals, value = override.partition("=")
    path = parts(key)
    if not equals or not all(path):
        raise UsageError(f"--set {override}: write --set table.key=value, for example --set stop.iterations=50")
    whole = untyped(value)
    try:
        put(tables, path, whole if isinstance(whole, dict) or len(path) > 2 else Raw(value))
    except TypeError as error:
        raise UsageError(f"--set {override}: {error} is a value, not a table") from None


PLACES = ("data.path", "data.train", "data.test")
RESUMABLE = (
    *PLACES,
    "stop.",
    "evaluate.",
    "log.",
    "save.every",
    "save.minutes",
    "save.keep",
    "save.state",
    "save.best",
    "threads",
    "solver.grid",
    "data.memory",
    "data.sparse",
)


def may_change(override: str) -> bool:
    """Does the override keep the run the same, so that it can resume?

    >>> may_change("stop.iterations = 50"), may_change("data.sparse=false"), may_change("seed=1")
    (True, True, False)
    """
    key = override.partition("=")[0].strip()
    return any(key == known or (known.endswith(".") and key.startswith(known)) for known in RESUMABLE)
