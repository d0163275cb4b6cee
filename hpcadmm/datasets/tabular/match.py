"""Find the columns of a training in another file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hpcadmm.datasets.columns import shown
from hpcadmm.datasets.tabular.raw import Raw
from hpcadmm.errors import UsageError

if TYPE_CHECKING:
    from hpcadmm.datasets.tabular.schema import Schema


class Match(NamedTuple):
    """Positions in the file of the schema's columns and of its target, and lines for the user."""

    at: Sequence[int]
    target_at: Sequence[int] | None
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def matched(schema: "Schema", raw: Raw) -> Match:
    """By name if both files have headers, else by position. Raises UsageError for missing columns."""
    return by_name(schema, raw) if schema.header and raw.header else by_place(schema, raw)


def by_name(schema: "Schema", raw: Raw) -> Match:
    """The columns in any order; further ones are ignored."""
    wanted = [column.name for column in schema.columns]
    position = {name: at for at, name in enumerate(raw.names)}
    if missing := [name for name in wanted if name not in position]:
        said = f"missing: {shown(missing)}; the file has {shown(raw.names)}"
        raise UsageError(f"{raw.path}: the columns differ from those of the training; {said}")
    at = [position[name] for name in wanted]
    targets = schema.target.names if schema.target else []
    facts = []
    known = {*wanted, *targets, *schema.left_out}
    if extra := [name for name in raw.names if name not in known]:
        facts.append(f"{raw.path}: columns that the training does not have are ignored: {shown(extra)}")
    if at != sorted(at):
        facts.append(f"{raw.path}: the columns are reordered by name to match the training")
    return Match(at, schema.target.at(raw, schema.header) if schema.target else None, tuple(facts))


def by_place(schema: "Schema", raw: Raw) -> Match:
    """All columns of the training in its order, or all but the target's."""
    places, targets = [column.place for column in schema.columns], schema.target.places if schema.target else []
    count, full, bare = len(raw.names), schema.width, schema.width - len(targets)
    if count not in (full, bare):
        allowed = f"{full}, or {bare} without the target" if targets else f"{full}"
        why = "columns are matched by position unless both files have a header"
        raise UsageError(f"{raw.path}: {count} columns, but the training has {allowed}; {why}")
    if count == bare:
        places = [place - sum(target < place for target in targets) for place in places]
    return Match(places, targets if count == full and targets else None, (), one_header(schema, raw))


def one_header(schema: "Schema", raw: Raw) -> tuple[str, ...]:
    """The warning if only one of the two files has a header."""
    if schema.header:
        names = shown([column.name for column in schema.columns])
        return (f"{raw.path}: no header; its columns are read in the order of the training: {names}",)
    if raw.header:
        return (f"{raw.path}: the training file had no header; the columns {shown(raw.names)} are read in this order",)
    return ()
