"""What the job file says of a class of options: its formula, and each key with type, range, default and meaning. All of
it comes from the class: its docstring, its fields and their types."""

import inspect
import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields, is_dataclass
from typing import Any

from hpcadmm.job.typed import adapters

ENTRY = re.compile(r"(\w+(?:, \w+)*): (.*)")  # `key: meaning`, or several keys of one meaning
TYPES = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false", "object": "table"}
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


@dataclass(frozen=True)
class Key:
    """type: with its range, in words; default: as in a job file, "none" if the key is unset."""

    name: str
    type: str
    default: str
    meaning: str


def keys(cls: Any) -> list[Key]:
    """The keys of a dataclass of options, in order."""
    return [Key(f.name, type_of(cls, f.name), default(f), meaning(cls, f.name)) for f in fields(cls)]


def title(cls: Any) -> str:
    """What a class is, in one line: its `what`, or the first line of its module."""
    module = inspect.cleandoc(sys.modules[cls.__module__].__doc__ or "")
    return getattr(cls, "what", "") or module.split("\n\n")[0].replace("\n", " ")


def use(cls: Any) -> str:
    """When to use it, in one line; what it is, where the class does not say."""
    return getattr(cls, "when", "") or title(cls)


def prose(cls: Any) -> str:
    """The docstring of a class without what it says of the keys."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parsed(cls, cls)[0])).strip()


def meaning(cls: Any, key: str) -> str:
    """What the docstring says of a key: that of the class, or of the nearest base that says more than `as of ...`. A
    docstring that contains that of the base says what all have in common first."""
    for one in cls.__mro__:
        said = [text for text in parsed(one, cls)[1].get(key, []) if not text.startswith("as of ")]
        if said:
            return " ".join(text[:1].upper() + text[1:] if k else text for k, text in enumerate(reversed(said)))
    return ""


def parsed(one: Any, cls: Any) -> tuple[list[str], dict[str, list[str]]]:
    """The lines of the own docstring of `one`, a base of `cls`, that are about no key; and the texts about each key."""
    known = {f.name for f in fields(cls)}
    rest: list[str] = []
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in inspect.cleandoc(one.__dict__.get("__doc__") or "").splitlines():
        entry = ENTRY.fullmatch(line)
        if entry and known.issuperset(entry[1].split(", ")):
            names = entry[1].split(", ")
            for name in names:
                found.setdefault(name, []).append(entry[2])
        elif names and line.strip():
            for name in names:
                found[name][-1] += f" {line.strip()}"
        else:
            names = []
            rest.append(line)
    return rest, found


def type_of(cls: Any, key: str) -> str:
    """The type of a key and its range, in words."""
    schema = adapters(cls)[key].json_schema()
    return alternatives(kinds(schema, schema.get("$defs", {})))


def alternatives(each: list[str]) -> str:
    """One of these, in words.

    >>> alternatives(["a", "b", "c"]), alternatives(["a"])
    ('a, b or c', 'a')
    """
    *others, last = dict.fromkeys(each)
    return f"{', '.join(others)} or {last}" if others else last


def kinds(schema: Mapping[str, Any], named: Mapping[str, Any]) -> list[str]:
    """What a JSON schema allows besides nothing, in words.

    >>> kinds({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": math.inf}, {})
    ['number > 0']
    >>> kinds({"anyOf": [{"enum": ["a", "b"]}, {"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}, {})
    ['"a"', '"b"', 'list of whole number']
    """
    if "$ref" in schema:
        schema = named[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return [kind for one in schema["anyOf"] if one.get("type") != "null" for kind in kinds(one, named)]
    if "const" in schema or "enum" in schema:
        return [json.dumps(value) for value in schema.get("enum", [schema.get("const")])]
    kind = str(schema.get("type", ""))
    if kind == "array":
        return [f"list of {alternatives(kinds(schema['items'], named))}" if "items" in schema else "list"]
    ends = [f"{sign} {end:g}" for key, sign in BOUNDS.items() if math.isfinite(end := schema.get(key, math.inf))]
    return [f"{TYPES.get(kind, kind)} {', '.join(ends)}".strip()]


def default(field: Field[Any]) -> str:
    """The default of a field, as in a job file."""
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if value is MISSING:
        return "required"
    return "none" if value is None else json.dumps(asdict(value) if is_dataclass(value) else value)  # type: ignore[arg-type]
