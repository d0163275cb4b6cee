"""Name -> class. A new solver, loss, activation or dataset is one file and one line in a registry."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from hpcadmm.errors import UsageError


class Registry(Mapping[str, Any]):
    """An ordered, read-only map from each class's `name` to the class.

    `later` gives classes by name, as "package.module:Class": a module is imported when its class is first needed, so
    that a job imports its own solver and dataset only.
    """

    def __init__(self, kind: str, *classes: Any, later: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self._classes = {cls.name: cls for cls in classes} | dict(later or {})

    def add(self, cls: Any) -> None:
        """Register a class under its `name`, for a solver outside the package. Raises ValueError if it is taken."""
        if cls.name in self._classes:
            raise ValueError(f"{self.kind} = {cls.name!r} exists already")
        self._classes[cls.name] = cls

    def __getitem__(self, name: str) -> Any:
        if name not in self._classes:
            raise UsageError(f"{self.kind} = {name!r}: known are {', '.join(self._classes)}")
        found = self._classes[name]
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = self._classes[name] = getattr(import_module(module), attribute)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def __contains__(self, name: object) -> bool:
        return name in self._classes
