"""Scores of a trained network, on its own data or on others: the same numbers on any number of ranks."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table
from threadpoolctl import threadpool_limits

from hpcadmm.after.otherdata import Choice, by_place, choose, load
from hpcadmm.after.trained import Trained, Warn, Which, read
from hpcadmm.comm.launch import phase
from hpcadmm.comm.world import World
from hpcadmm.datasets.loaded import Loaded, Samples
from hpcadmm.datasets.outputs import target_names
from hpcadmm.errors import UsageError, printable
from hpcadmm.model.scores import SCORES, Undefined, by_class, mean, of_confusion
from hpcadmm.training.scores.answers import answered, confusion
from hpcadmm.training.scores.scored import Found, Meaning, area, aucs, errors, log_loss, of_errors

SHOWN = ("accuracy", "balanced_accuracy", "log_loss", "roc_auc", "macro_f1", "error", "rmse", "mae", "r2")
WIDEST = 25  # classes: larger confusion matrices are not printed
CONFUSION = "true \\ predicted"  # head of the matrix
right = partial(Column, justify="right")


def evaluate(
    run: Path, overrides: Sequence[str], part: str | None, iteration: Which, world: World, warn: Warn
) -> dict[str, Any]:
    """The measures of a run's network, ready for JSON, on every rank. Collective.

    overrides: other data than the run's own (see `otherdata.choose`).
    part: "train", "test" or "all"; None: the test part, or all of other data without a test part.
    Raises UsageError, on all ranks, for an invalid run, checkpoint or dataset.
    """
    trained = read(run, iteration, world, warn)
    with phase("reading the data"):
        choice = choose(trained, overrides, world)
    return {"run": str(run), **scored(trained, choice, part, world, warn)}


def scored(trained: Trained, choice: Choice, part: str | None, world: World, warn: Warn) -> dict[str, Any]:
    """The measures of a network on a dataset; see `evaluate`. Collective."""
    with threadpool_limits(trained.job.head.threads):
        with phase("reading the data"):
            loaded = load(trained, choice, world)
            if world.first:
                warn_of_data(trained, choice, loaded, warn)
        chosen = part or ("all" if choice.whole else "test")
        parts = [getattr(loaded, name) for name in (("train", "test") if chosen == "all" else (chosen,))]
        samples = sum(p.n for p in parts)
        if not samples:
            raise UsageError(f"the {chosen} part has no samples; choose another with --part")
        with phase("evaluating"):
            measured = (classified if trained.classes else regressed)(trained, parts, world)
    facts = {"name": trained.job.head.name, "iteration": trained.iteration}
    facts |= {"best": trained.best} if trained.best else {}
    return {**facts, "data": choice.dataset.name, "part": chosen, "samples": samples, **measured}


def warn_of_data(trained: Trained, choice: Choice, loaded: Loaded, warn: Warn) -> None:
    """Pass on the warnings of the data, and warn if its classes are matched by position."""
    for line in dict.fromkeys(loaded.warnings):
        warn(line)
    if by_place(loaded.names or [], trained.names):
        pairs = ", ".join(f"{a} = {b}" for a, b in zip(loaded.names or [], trained.names, strict=True))
        warn(f"{choice.dataset.name} and the network share no class name; classes are matched by position: {pairs}")


def classified(trained: Trained, parts: Sequence[Samples], world: World) -> dict[str, Any]:
    """The scores of a classification, a row per class, and the confusion matrix: rows are true classes."""
    names, answers = trained.names, [answered(trained.network, trained.weights, part, world) for part in parts]
    meaning = Meaning(trained.job.loss.name, names)
    table, areas = confusion(answers, len(names), world), aucs(answers, meaning, world)
    found: Found = dict(of_confusion(table, names))
    found |= {"log_loss": log_loss(answers, meaning, world), "roc_auc": area(areas)}
    rows = [{"name": name, **row} for name, row in zip(names, by_class(table), strict=True)]
    macro = {key: mean([row[key] for row in rows]) for key in ("precision", "recall", "f1")}
    rows = [{**row, "roc_auc": one} for row, one in zip(rows, areas, strict=True)]
    positive = {"positive": names[1]} if len(names) == 2 else {}  # the class of precision, recall and f1
    weight = {} if table.dtype.kind == "i" else {"weight": float(table.sum())}
    return {**weight, **plain(found), **positive, "macro": macro, "classes": rows, "confusion": table.tolist()}


def regressed(trained: Trained, parts: Sequence[Samples], world: World) -> dict[str, Any]:
    """The scores of a regression: in the data's own units, the means over the targets, and a row per target.

    mean_squared_error: of the scaled targets, as in the training.
    """
    answers = [answered(trained.network, trained.weights, part, world) for part in parts]
    found = errors(answers, Meaning(trained.job.loss.name, (), trained.transform.targets, raw=True), world)
    scores = plain(of_errors(found))
    names = target_names(trained.columns, trained.network.n[-1])
    rows = zip(names, found.rmse.tolist(), found.mae.tolist(), found.r2, strict=True)
    targets = [dict(zip(("name", "rmse", "mae", "r2"), row, strict=True)) for row in rows]
    weight = {} if found.weight == sum(part.n for part in parts) else {"weight": found.weight}
    return {**weight, "mean_squared_error": scores["error"], **scores, "targets": targets}


def plain(found: Found) -> dict[str, Any]:
    """The scores in the order of SCORES, None for those without a value; then `undefined`, which says why."""
    why = {name: str(value) for name, value in found.items() if isinstance(value, Undefined)}
    scores = {name: None if name in why else found[name] for name in SCORES if name in found}
    return scores | ({"undefined": why} if why else {})


def shown(result: dict[str, Any]) -> Iterator[str | Table]:
    """The result as text: a sentence, a row per class or target with the means, the confusion matrix."""
    classes = "macro" in result
    cell = partial(number, how=".4f" if classes else ".5g")
    scores = ", ".join(f"{SCORES[key].words} {cell(result[key])}" for key in SHOWN if result.get(key) is not None)
    what = f"{result['part']} part of {result['data']}" if result["part"] != "all" else f"all of {result['data']}"
    samples = f"{result['samples']} samples" + (f" of weight {count(result['weight'])}" if "weight" in result else "")
    which = f"iteration {result['iteration']}" + (f" (best {result['best']})" if "best" in result else "")
    yield f"{printable(result['name'])}, {which}, {what}, {samples}: {scores}"
    for key, why in result.get("undefined", {}).items():
        yield f"no {SCORES[key].words}: {printable(why)}"
    rows = result["classes" if classes else "targets"]
    each = Table("class" if classes else "target", *map(right, list(rows[0])[1:]), box=SIMPLE_HEAD)
    for row in rows:
        each.add_row(*(count(value) if key == "support" else cell(value) for key, value in row.items()))
    if classes:
        support = count(result.get("weight", result["samples"]))
        each.add_section()
        each.add_row("mean", *map(cell, result["macro"].values()), support, cell(result["roc_auc"]))
    yield each
    if classes and len(rows) <= WIDEST:
        yield confusion_table([row["name"] for row in rows], result["confusion"])


def confusion_table(names: Sequence[str], confusion: Sequence[Sequence[float]]) -> Table:
    """The confusion matrix, with a dot for 0. Rows are true classes."""
    table = Table(CONFUSION, *map(right, names), box=SIMPLE_HEAD)
    for name, counts in zip(names, confusion, strict=True):
        table.add_row(name, *(count(one) if one else "." for one in counts))
    return table


def count(value: float) -> str:
    """A number of samples, or their weight.

    >>> count(1234567), count(12.5), count(3.0)
    ('1234567', '12.5', '3')
    """
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def number(value: Any, how: str) -> str:
    """A cell: integers and text unchanged, undefined values as a dash.

    >>> number(0.95, ".4f"), number(None, ".4f"), number(7, ".4f")
    ('0.9500', '-', '7')
    """
    return "-" if value is None else format(value, how) if isinstance(value, float) else str(value)
