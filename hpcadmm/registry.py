"""Name -> class. A new solver, loss, activation or dataset is one file and one line in a registry, or an entry point of
another package."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hpcadmm.errors import Note, UsageError, meant

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

MOST = 5  # of what a plug-in lacks, in a message


class Registry(Mapping[str, Any]):
    """An ordered, read-only map from each class's `name` to the class.

    `later` gives classes by name, as "package.module:Class": a module is imported when its class is first needed, so
    that a job imports its own solver and dataset only.
    `group`: entry points of installed packages with further dataclasses, which have all that `base` has. They are
    looked for when names are listed or a name is not one of ours. A broken one is named once and left out.
    """

    def __init__(
        self, kind: str, *classes: Any, later: Mapping[str, str] | None = None, group: str = "", base: str = ""
    ) -> None:
        self.kind, self.group, self.base = kind, group, base
        self._classes = {cls.name: cls for cls in classes} | dict(later or {})
        self._searched = not group

    def add(self, cls: Any) -> None:
        """Register a class under its `name`, for a solver outside the package. Raises ValueError if it is taken."""
        if cls.name in self._classes:
            raise ValueError(f"{self.kind} = {cls.name!r} exists already")
        self._classes[cls.name] = cls

    def unknown(self, name: Any) -> str:
        """The message about a name that is not here."""
        return f"{self.kind} = {name!r}: {meant(name, self)}known are {', '.join(self)}"

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise UsageError(self.unknown(name))
        found = self._classes[name]
        if isinstance(found, str):
            found = self._classes[name] = loaded(found)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._classes or name in self._all())

    def _all(self) -> dict[str, Any]:
        """The classes, with those of installed packages."""
        if not self._searched:
            self._searched = True
            from importlib.metadata import entry_points  # rarely needed

            for point in sorted(entry_points(group=self.group), key=lambda point: (point.name, point.value)):
                try:
                    self.add(self._fitting(point))
                except Exception as error:  # noqa: BLE001 (whatever a package raises)
                    warnings.warn(skipped(point, error), Note, stacklevel=2)
        return self._classes

    def _fitting(self, point: "EntryPoint") -> Any:
        """Its class. Raises TypeError for another thing."""
        cls, base = point.load(), loaded(self.base)
        asked = {*vars(base), *getattr(base, "__annotations__", ())}
        has = {*dir(cls), *getattr(cls, "__dataclass_fields__", ())}
        lacking = sorted(name for name in asked - has if not name.startswith("_"))
        if lacking or not (isinstance(cls, type) and is_dataclass(cls)):
            without = f": it has no {', '.join(lacking[:MOST])}" if lacking else ""
            raise TypeError(f"it must be a dataclass that derives from {base.__name__}{without}")
        return cls


def loaded(text: str) -> Any:
    """The class "package.module:Class"."""
    module, _, attribute = text.partition(":")
    return getattr(import_module(module), attribute)


def skipped(point: "EntryPoint", error: Exception) -> str:
    """The message about a broken plug-in."""
    where = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
    return f"the plug-in {point.name}{where} is skipped ({point.group}: {point.value}): {type(error).__name__}: {error}"
