"""A file to download: where it is, its sha256, and what to take out of it if it is an archive."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Remote:
    """url: of the file; name: what it is called here and on a mirror; members: of a .tar.gz -> file names."""

    url: str
    name: str
    sha256: str
    members: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """The files it leaves in the folder."""
        return tuple(self.members.values()) or (self.name,)
