"""`hpcadmm solvers`, `losses`, `activations`, `penalties`, `datasets`, `engines`: what there is, each with its keys."""

from dataclasses import asdict
from typing import Any

import click

from hpcadmm.cli.options import JSON, names, report
from hpcadmm.errors import UsageError
from hpcadmm.registry import Registry, loaded

WHERE = {  # the registry, and the table of the job file that has its keys
    "solvers": ("hpcadmm.solvers:SOLVERS", "solver"),
    "losses": ("hpcadmm.model.losses:LOSSES", "loss"),
    "activations": ("hpcadmm.model.activations:ACTIVATIONS", "network"),
    "penalties": ("hpcadmm.model.penalties:PENALTIES", "penalty"),
    "datasets": ("hpcadmm.datasets:DATASETS", "data"),
    "engines": ("hpcadmm.products:ENGINES", ""),
}
TAKES = {  # what a solver can do, besides training
    "weighted": "data.weight",
    "streamed": "data.memory",
    "sparse": "sparse data",
    "drops": "network.dropout and noise",
    "normalises": "network.norm",
    "penalised": "[penalty]",
    "has_grid": "layers dealt to ranks",
}


def catalogue(kind: str) -> click.Command:
    """The command that lists the classes of a registry."""

    said = f"List the {kind}, also of installed plug-ins, or describe NAME and each key: type, range, default, meaning."

    @click.command(kind, help=said)
    @click.argument("name", required=False, shell_complete=names(WHERE[kind][0]))
    @JSON
    def command(name: str | None, as_json: bool) -> None:
        registry: Registry = loaded(WHERE[kind][0])
        if name is None:
            found = [entry(registry, one) for one in registry]
            report(found, as_json, lambda width: [as_table(found)])
        else:
            one = described(registry, name, WHERE[kind][1])
            report(one, as_json, lambda width: shown(one, WHERE[kind][1]))

    return command


solvers, losses, activations, penalties, datasets, engines = map(catalogue, WHERE)


def entry(registry: Registry, name: str) -> dict[str, str]:
    """A line of the list."""
    from hpcadmm.job.keys import use

    try:
        cls = sought(registry, name)
    except UsageError as error:
        return {"name": name, "use it for": str(error)}
    paper = {"paper": cls.paper} if hasattr(cls, "paper") else {}
    return {"name": name, "use it for" if hasattr(cls, "when") else "what": use(cls), **paper}


def sought(registry: Registry, name: str) -> Any:
    """A class. Raises UsageError if it needs a package that is not installed."""
    try:
        return registry[name]
    except ImportError as error:
        from hpcadmm.products import NEEDED  # the only class of ours that does

        raise UsageError(f"{NEEDED} ({error})") from None


def described(registry: Registry, name: str, where: str) -> dict[str, Any]:
    """All about a class. where: the table of a job file that has its keys; "": there is none."""
    from hpcadmm.job.keys import keys, prose, title

    cls = sought(registry, name)
    said = {"name": name, "what": title(cls), "use it for": getattr(cls, "when", "")}
    said |= {"paper": getattr(cls, "paper", ""), "trains": trains(cls)}
    takes = ", ".join(text for able, text in TAKES.items() if getattr(cls, able, False) is True)
    said |= {"takes": takes, "formula": prose(cls)}
    found = [asdict(key) for key in keys(cls)] if where else []
    return {**{key: text for key, text in said.items() if text}, "keys": found}


def trains(cls: Any) -> str:
    """What a solver cannot train, in words."""
    most, losses = getattr(cls, "most_layers", None), getattr(cls, "losses", None)
    return ", ".join([*(["linear models"] if most == 1 else []), *([f"losses {', '.join(losses)}"] if losses else [])])


def shown(one: dict[str, Any], where: str) -> list[Any]:
    """The description for a person."""
    name, what, formula = one["name"], one["what"], one.get("formula", "")
    lines = [f"{key}: {one[key]}" for key in ("use it for", "paper", "trains", "takes") if key in one]
    head = "\n".join([f"{name}: {what}", *lines, "", formula]).rstrip()
    if not one["keys"]:
        return [head, "\nIt has no keys." if where else f'\nA job chooses it by: precision = "{name}"']
    return [head, f"\nKeys of [{where}]:", as_table(one["keys"])]


def as_table(rows: list[dict[str, str]]) -> Any:
    """Rows of the same keys as a table."""
    from rich.table import Table

    made = Table()
    for name in rows[0]:
        made.add_column(name, overflow="fold", no_wrap=name in ("name", "default"))
    for row in rows:
        made.add_row(*row.values())
    return made
