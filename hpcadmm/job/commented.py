"""A job file with comments: what its keys mean, from the classes of their tables, and the solver's other keys."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import tomli_w

from hpcadmm.job.job import TABLES, Job
from hpcadmm.job.keys import keys, use
from hpcadmm.job.options import Evaluate, Head, Layers, Log, Save, Stop

COLUMN, LONGEST = 32, 84  # where comments begin, and their length


def written(job: Job, given: Mapping[str, Any], facts: Sequence[str]) -> str:
    """The job file: the keys given for the job, and as comments all others of the solver. facts: lines at the top."""
    resolved = job.resolved()
    lines = [f"# {line}" for fact in facts for line in textwrap.wrap(fact, 110)]
    lines += section(Head, {key: value for key, value in resolved.items() if key in given and key not in TABLES})
    classes: dict[str, Any] = {"data": type(job.data), "network": Layers, "loss": type(job.loss)}
    classes |= {"penalty": type(job.penalty), "solver": type(job.solver)}
    classes |= {"stop": Stop, "save": Save, "evaluate": Evaluate, "log": Log}
    for name, table in given.items():
        if name in classes and isinstance(table, dict):
            values = {key: value for key, value in resolved.get(name, {}).items() if key in table}
            lines += ["", f"[{name}]", *section(classes[name], values)]
            lines += others(job) if name == "solver" else []
    if "validation" in resolved["data"]:
        said = "# The test part is not read. Measure it at the end: hpcadmm evaluate RUN --data validation="
        lines += ["", said]
    return "\n".join(lines) + "\n"


def section(cls: Any, values: Mapping[str, Any]) -> list[str]:
    """Keys of a table, each with what it means."""
    said = {key.name: clause(key.meaning) for key in keys(cls)} | ({"name": use(cls)} if hasattr(cls, "name") else {})
    return [commented(f"{key} = {toml_value(value)}", said.get(key, "")) for key, value in values.items()]


def others(job: Job) -> list[str]:
    """The solver's keys that have their defaults, as comments."""
    cls: Any = type(job.solver)
    usual = {f.name for f in fields(cls) if getattr(job.solver, f.name) == getattr(cls(), f.name)}
    lines = [f"# Defaults; `hpcadmm solvers {job.solver.name}` describes all keys."]
    for key in keys(cls):
        if key.name in usual:
            lines.append(
                commented(f"# {key.name}" + f" = {key.default}" * (key.default != "none"), clause(key.meaning))
            )
    return lines


def clause(meaning: str) -> str:
    """The first clause of a meaning.

    >>> clause("samples a sweep; 0: all. Default 10.")
    'samples a sweep'
    """
    return re.split(r"[.;](?:\s|$)", meaning)[0]


def commented(line: str, comment: str) -> str:
    """A line with a comment behind it, cut if it is long.

    >>> commented("batch = 100", "samples a sweep")
    'batch = 100                     # samples a sweep'
    """
    said = textwrap.shorten(comment, LONGEST, placeholder=" ...")
    return f"{line:<{COLUMN - 2}}  # {said}" if said else line


def toml_value(value: Any) -> str:
    """A value on one line.

    >>> toml_value([1, 2]), toml_value({"age": "date"}), toml_value("a")
    ('[1, 2]', '{ age = "date" }', '"a"')
    """
    if isinstance(value, dict):
        return f"{{ {', '.join(tomli_w.dumps(value).splitlines())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    return tomli_w.dumps({"x": value}).strip().removeprefix("x = ")
