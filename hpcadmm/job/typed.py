"""Values typed on a command line, read as the type of their key: a path that looks like a date is text."""

import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from hpcadmm.errors import UsageError

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)

LONGEST = 400  # characters of a number


class Raw(str):
    """Text as typed, not yet read as the type of its key."""

    __slots__ = ()


def setting(text: str) -> tuple[str, Raw]:
    """key and value of `key=value`. Raises UsageError.

    >>> setting("split = 0.5")
    ('split', ' 0.5')
    """
    key, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"{text!r}: must be key=value")
    return key.strip(), Raw(value)


def options(texts: Iterable[str]) -> dict[str, Any]:
    """The keys of [data] that texts `key=value` set, also as `data.key=value`; `key.name=value` sets a name
    in the table `key`. Raises UsageError.

    >>> options(["split=0.5", "data.categories.most=20", 'types."a.b"=date'])
    {'split': '0.5', 'categories': {'most': 20}, 'types': {'a.b': 'date'}}
    """
    found: dict[str, Any] = {}
    for key, value in map(setting, texts):
        path = parts(key.removeprefix("data."))
        try:
            put(found, path, untyped(value) if len(path) > 1 else value)
        except TypeError as error:
            raise UsageError(f"{key}={value}: {error} is a value, not a table") from None
    return found


def parts(key: str) -> list[str]:
    """The parts of a dotted key, as TOML reads it.

    >>> parts("a . b"), parts('types."a.b"')
    (['a', 'b'], ['types', 'a.b'])
    """
    if '"' in key:
        try:
            return _path(tomllib.loads(f"{key} = 0"))
        except tomllib.TOMLDecodeError:
            pass
    return [part.strip() for part in key.split(".")]


def _path(table: Any) -> list[str]:
    (key, value), *_ = table.items()
    return [key, *(_path(value) if isinstance(value, dict) else [])]


def put(table: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set table[path[0]][path[1]]... to the value. Raises TypeError with the name of what is no table."""
    *above, name = path
    for one in above:
        table = table.setdefault(one, {})
        if not isinstance(table, dict):
            raise TypeError(one)
    table[name] = value


def untyped(text: str) -> Any:
    """The value as TOML reads it; the text itself if that is not one value that JSON can hold (a date, say).

    >>> untyped("0.5"), untyped("[3, 5]"), untyped("a.csv"), untyped("2024-01-01"), untyped("1\\nb = 2")
    (0.5, [3, 5], 'a.csv', '2024-01-01', '1\\nb = 2')
    """
    try:
        (value,) = tomllib.loads(f"value = {text}").values()
        json.dumps(value)
    except (ValueError, TypeError, RecursionError):
        return text.strip() or text
    return value


def readings(text: str) -> list[Any]:
    """Possible values of the text, the likeliest first: a TOML value, a number, the text, the text with escapes; of
    "none" no value.

    >>> readings("1"), readings(".5"), readings("x"), readings("\\\\t"), readings("none")
    ([1, '1'], [0.5, '.5'], ['x'], ['\\\\t', '\\t'], ['none', None])
    """
    plain = text.strip() or text
    found = [untyped(text)]
    if isinstance(found[0], str) and len(plain) < LONGEST and NUMBER.fullmatch(plain):
        found.insert(0, int(plain) if plain.lstrip("+-").isdecimal() else float(plain))
    if found[-1] != plain or type(found[-1]) is not str:
        found.append(plain)
    if plain == "none":
        found.append(None)
    escaped = [one for one in found if isinstance(one, str) and "\\" in one]
    return found + [value for one in escaped if isinstance(value := untyped(f'"{one}"'), str) and value != f'"{one}"']


@cache
def adapters(cls: Any) -> dict[str, TypeAdapter[Any]]:
    """The type adapter of each key of a dataclass."""
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: TypeAdapter(hints[f.name]) for f in fields(cls)}


def fits(cls: type, key: str, value: Any) -> bool:
    """Does the key take the value?"""
    try:
        adapters(cls)[key].validate_json(json.dumps(value), strict=True)
    except (ValidationError, TypeError, UsageError):
        return False
    return True


def settled(cls: type, key: str, value: Any) -> Any:
    """The value for a key of a dataclass: of typed text the first reading that fits, or the first one if none fits; any
    other value unchanged."""
    if not isinstance(value, Raw) or key not in adapters(cls):
        return value
    found = readings(value)
    return next((one for one in found if fits(cls, key, one)), found[0])


def name_of(value: Any) -> Any:
    """A `name`, typed with or without quotes.

    >>> name_of(Raw('"taylor"')), name_of(Raw("taylor")), name_of(3)
    ('taylor', 'taylor', 3)
    """
    return untyped(value) if isinstance(value, Raw) else value
