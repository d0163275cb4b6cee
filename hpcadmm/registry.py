"""Name -> class: adding a solver, loss, activation or dataset is one file and one name in a tuple."""

from collections.abc import Iterator, Mapping
from typing import Any

from hpcadmm.errors import UsageError


class Registry(Mapping[str, Any]):
    """An ordered, read-only map from each class's `name` to the class."""

    def __init__(self, kind: str, *classes: Any) -> None:
        self.kind = kind
        self._classes = {cls.name: cls for cls in classes}

    def __getitem__(self, name: str) -> Any:
        if name not in self._classes:
            raise UsageError(f"{self.kind} = {name!r}: known are {', '.join(self._classes)}")
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)

    def __contains__(self, name: object) -> bool:
        return name in self._classes
