"""Columns are cut into tiles by their global index, and whole tiles are dealt to ranks.

Where a tile begins depends on the number of samples only, never on the number of ranks, so a tile's
arithmetic is the same wherever it lies.
"""

from collections.abc import Iterator
from dataclasses import dataclass


def block(n: int, size: int, rank: int) -> tuple[int, int]:
    """The half-open range of n items that `rank` of `size` holds; the ranges are contiguous and even.

    >>> [block(7, 3, r) for r in range(3)]
    [(0, 2), (2, 4), (4, 7)]
    """
    return rank * n // size, (rank + 1) * n // size


def tile_width(n: int, narrowest: int = 64, widest: int = 1024, aim: int = 60) -> int:
    """A power of two that cuts n columns into about `aim` tiles, within the limits.

    >>> tile_width(1437), tile_width(9999), tile_width(60000), tile_width(10_000_000)
    (64, 128, 1024, 1024)
    """
    width = widest
    while width > narrowest and width * aim > n * 1.1:
        width //= 2
    return width


def narrowest_tile(units: int) -> int:
    """For layers of this many units: adding a tile's product to a sum of units^2 entries costs as much as multiplying
    some 50 columns, so wide layers want wide tiles.

    >>> narrowest_tile(100), narrowest_tile(300), narrowest_tile(1000), narrowest_tile(2400)
    (64, 128, 512, 1024)
    """
    return min(1024, max(64, 1 << (max(1, 3 * units // 5).bit_length() - 1)))


def tile_limits(units: int, tile: int = 0) -> tuple[int, int]:
    """The narrowest and the widest tile for layers of at most this many units: `tile`, unless that is 0.

    >>> tile_limits(300), tile_limits(300, 2048)
    ((128, 1024), (2048, 2048))
    """
    return (tile, tile) if tile else (narrowest_tile(units), 1024)


def pieces(columns: slice, width: int = 1024) -> list[slice]:
    """A tile, which may be of any width, in pieces of this many columns, for work that needs memory for each.

    >>> pieces(slice(5, 12), 3)
    [slice(5, 8, None), slice(8, 11, None), slice(11, 12, None)]
    """
    return [slice(lo, min(lo + width, columns.stop)) for lo in range(columns.start, columns.stop, width)]


@dataclass(frozen=True)
class Tiles:
    """The tiles of `n` global columns that lie on `rank` of `size`: of `width` columns each, or `parts` tiles of about
    the same width.

    `lo`, `hi` are this rank's global columns; iterating gives (global tile index, local slice).
    """

    n: int
    width: int
    size: int = 1
    rank: int = 0
    parts: int = 0

    @property
    def count(self) -> int:
        """Tiles over all ranks."""
        return self.parts or -(-self.n // self.width)

    def edge(self, t: int) -> int:
        """The first global column of tile t."""
        return t * self.n // self.parts if self.parts else min(t * self.width, self.n)

    @property
    def held(self) -> tuple[int, int]:
        """The global indices of the tiles on this rank, half open."""
        return block(self.count, self.size, self.rank)

    @property
    def lo(self) -> int:
        return self.edge(self.held[0])

    @property
    def hi(self) -> int:
        return self.edge(self.held[1])

    def __len__(self) -> int:
        return self.held[1] - self.held[0]

    def __iter__(self) -> Iterator[tuple[int, slice]]:
        for t in range(*self.held):
            yield t, slice(self.edge(t) - self.lo, self.edge(t + 1) - self.lo)

    def of(self, size: int, rank: int) -> "Tiles":
        """The same tiles for another rank or number of ranks."""
        return Tiles(self.n, self.width, size, rank, self.parts)
