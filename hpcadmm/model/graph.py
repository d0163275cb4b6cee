"""The graph of a decentralized method: N workers in two groups, and the edges between them.

In GADMM and its successors (Elgabli et al., JMLR 2020; GGADMM, Ben Issaid et al., 2022) all heads compute at the same
time, then all tails, so no edge may join two heads or two tails: the graph must be bipartite. The groups are found by
breadth-first search from worker 0, a head. In a chain the heads are 0, 2, 4, ... (the papers count from 1: 1, 3, 5).
Methods whose workers all compute at the same time take any connected graph.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import combinations, pairwise

from hpcadmm.errors import UsageError

Edge = tuple[int, int]
SHOWN = 12  # items of a list in a message


@dataclass(frozen=True)
class Graph:
    """A connected graph. Workers are 0..workers-1; edges: (i, j) with i < j, sorted, each once; bipartite: must it be?

    `Graph.of` sorts edges. UsageError names the fault: no workers; an edge out of range, from a worker to itself,
    given twice or unsorted; unreachable workers; a cycle of odd length.
    """

    workers: int
    edges: tuple[Edge, ...] = ()
    bipartite: bool = field(default=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UsageError(f"a graph of {self.workers} workers: needs at least one")
        check_edges(self.edges, self.workers)
        if lost := [n for n in range(self.workers) if n not in self._tree]:
            raise UsageError(f"not connected: no path of edges joins worker 0 to {shown(map(str, lost))}")
        if self.bipartite and (cycle := self._odd_cycle()):
            path = " - ".join(map(str, cycle))
            raise UsageError(
                f"not bipartite: {path} is a cycle of {len(cycle) - 1} edges; heads and tails need an even number"
            )

    @classmethod
    def of(cls, edges: Iterable[Sequence[int]], workers: int, bipartite: bool = True) -> "Graph":
        """From pairs of workers, in any order.

        >>> Graph.of([(2, 1), (0, 1)], 3)
        Graph(workers=3, edges=((0, 1), (1, 2)))
        """
        given = [tuple(edge) for edge in edges]
        if wrong := [edge for edge in given if len(edge) != 2 or {type(end) for end in edge} != {int}]:
            raise UsageError(f"an edge is a pair of workers [i, j], not {shown(str(list(edge)) for edge in wrong)}")
        return cls(workers, tuple(sorted((min(edge), max(edge)) for edge in given)), bipartite)

    @classmethod
    def chain(cls, workers: int) -> "Graph":
        """0 - 1 - ... - (workers - 1)."""
        return cls(workers, tuple(pairwise(range(workers))))

    @classmethod
    def ring(cls, workers: int, bipartite: bool = True) -> "Graph":
        """A chain whose ends are joined; bipartite if the number of workers is even. Of 2 it is one edge, of 1 none."""
        if workers < 3:
            return cls.chain(workers)
        if bipartite and workers % 2:
            raise UsageError(
                f"a ring of {workers} workers is a cycle of odd length, which has no heads and tails; "
                f"take {workers - 1} or {workers + 1} workers, or a chain"
            )
        return cls.of([*pairwise(range(workers)), (workers - 1, 0)], workers, bipartite)

    @classmethod
    def complete(cls, workers: int) -> "Graph":
        """Every worker is joined to every other one."""
        return cls(workers, tuple(combinations(range(workers), 2)), bipartite=False)

    @classmethod
    def star(cls, workers: int) -> "Graph":
        """Worker 0, the only head, is joined to every other one."""
        return cls(workers, tuple((0, n) for n in range(1, workers)))

    @classmethod
    def grid(cls, workers: int) -> "Graph":
        """Rows of ceil(sqrt(workers)) workers, the last perhaps shorter: neighbours are left, right, above and below.

        >>> Graph.grid(5).edges
        ((0, 1), (0, 3), (1, 2), (1, 4), (3, 4))
        """
        columns = math.isqrt(max(workers, 1) - 1) + 1
        right = [(n, n + 1) for n in range(workers - 1) if (n + 1) % columns]
        below = [(n, n + columns) for n in range(workers - columns)]
        return cls(workers, tuple(sorted(right + below)))

    @classmethod
    def named(cls, topology: str | Iterable[Sequence[int]], workers: int, bipartite: bool = True) -> "Graph":
        """The graph of a job file: "chain", "ring", "star", "grid" (nearly square), or a list of pairs; if it need
        not be bipartite also "complete", and a ring of any size."""
        if not isinstance(topology, str):
            return cls.of(topology, workers, bipartite)
        ring: Callable[[int], Graph] = partial(cls.ring, bipartite=bipartite)
        known = {"chain": cls.chain, "ring": ring, "star": cls.star, "grid": cls.grid}
        if not bipartite:
            known["complete"] = cls.complete
        if topology not in known:
            raise UsageError(f"unknown topology {topology!r}: must be {', '.join(known)}, or a list of pairs [i, j]")
        return known[topology](workers)

    def neighbours(self, n: int) -> tuple[int, ...]:
        """The workers joined to worker n, increasing."""
        return self._neighbours[n]

    def degree(self, n: int) -> int:
        """The number of neighbours of worker n."""
        return len(self._neighbours[n])

    def is_head(self, n: int) -> bool:
        """Does worker n compute in the first half of an iteration?"""
        return self._depth[n] % 2 == 0

    @cached_property
    def _neighbours(self) -> tuple[tuple[int, ...], ...]:
        found: list[list[int]] = [[] for _ in range(self.workers)]
        for i, j in self.edges:
            found[i].append(j)
            found[j].append(i)
        return tuple(map(tuple, found))  # increasing, since the edges are sorted

    @cached_property
    def _tree(self) -> dict[int, int]:
        """{worker: its predecessor on a shortest path from worker 0}, in breadth-first order."""
        before, queue = {0: 0}, deque([0])
        while queue:
            n = queue.popleft()
            for m in self._neighbours[n]:
                if m not in before:
                    before[m] = n
                    queue.append(m)
        return before

    @cached_property
    def _depth(self) -> dict[int, int]:
        """The number of edges from worker 0 to each reachable worker."""
        depth: dict[int, int] = {}
        for n, before in self._tree.items():
            depth[n] = depth[before] + 1 if n else 0
        return depth

    def _odd_cycle(self) -> list[int]:
        """The workers of a cycle of odd length, its first worker again at the end; empty if there is none."""
        for i, j in self.edges:
            if (self._depth[i] + self._depth[j]) % 2 == 0:
                left, right = [i], [j]  # of equal depth, since depths along an edge differ by one at most
                while left[-1] != right[-1]:
                    left.append(self._tree[left[-1]])
                    right.append(self._tree[right[-1]])
                return left[::-1] + right
        return []


def check_edges(edges: Sequence[Edge], workers: int) -> None:
    """Raise UsageError for edges that are out of range, loops, repeated or unsorted."""
    if wrong := [edge for edge in edges if not 0 <= min(edge) <= max(edge) < workers]:
        raise UsageError(f"{named_edges(wrong)}: workers are 0 to {workers - 1}")
    if wrong := [edge for edge in edges if edge[0] == edge[1]]:
        raise UsageError(f"{named_edges(wrong)}: an edge joins two different workers")
    if wrong := [edge for edge, times in Counter(edges).items() if times > 1]:
        raise UsageError(f"{named_edges(wrong)}: given more than once (in either direction)")
    if list(edges) != sorted((min(edge), max(edge)) for edge in edges):
        raise UsageError(f"{named_edges(edges)}: must be sorted pairs (i, j) with i < j; use Graph.of")


def named_edges(edges: Sequence[Edge]) -> str:
    """A list of edges in words.

    >>> named_edges([(0, 3)]), named_edges([(0, 3), (1, 1)])
    ('edge 0 - 3', 'edges 0 - 3, 1 - 1')
    """
    return f"edge{'s' if len(edges) > 1 else ''} {shown(f'{i} - {j}' for i, j in edges)}"


def shown(items: Iterable[str]) -> str:
    """A list as text, shortened if it is long."""
    said = list(items)
    more = f", ... ({len(said)} in all)" if len(said) > SHOWN else ""
    return ", ".join(said[:SHOWN]) + more
