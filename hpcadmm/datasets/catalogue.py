"""The registered datasets and where their files lie."""

from dataclasses import dataclass

from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.formats.lookup import find, places
from hpcadmm.errors import UsageError
from hpcadmm.registry import Registry


@dataclass(frozen=True)
class Entry:
    """One line of `hpcadmm data list`."""

    name: str
    what: str
    expects: list[str]
    found: str
    download: bool


def found(dataset: type[Dataset]) -> str:
    """Where the dataset's files lie, in words."""
    if dataset.name in ("digits", "synthetic"):
        return "always there"
    if not dataset.remotes:
        return "your own file"
    inside = getattr(dataset, "inside", "")
    where = [folder / sub for folder in places(None, dataset.name) for sub in ("", inside)]
    try:
        paths = [path for name in dataset.expects if (path := find([name], where))]
    except UsageError as error:
        return str(error)
    if not paths:
        return "not found"
    folder = str(paths[0].parent)
    return folder if len(paths) == len(dataset.expects) else f"{folder} ({len(paths)} of {len(dataset.expects)} files)"


def catalogue(datasets: Registry) -> list[Entry]:
    """All datasets in the order of the registry."""
    return [Entry(d.name, d.what, list(d.expects), found(d), bool(d.remotes)) for d in datasets.values()]
