"""Who talks to whom: every edge joins a head and a tail, and what is no such graph is refused by name."""

import re
from dataclasses import FrozenInstanceError
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.errors import UsageError
from hpcadmm.model.graph import Graph

TOPOLOGIES = ("chain", "ring", "star", "grid")


@st.composite
def some_edges(draw):
    """2 to 7 workers and a set of pairs of them, many of which are no bipartite or connected graph."""
    workers = draw(st.integers(2, 7))
    pairs = [(i, j) for i in range(workers) for j in range(i + 1, workers)]
    return workers, draw(st.lists(st.sampled_from(pairs), unique=True, max_size=10))


def reached(workers, edges):
    """The workers joined to worker 0, by adding neighbours until no more are found."""
    found = {0}
    for _ in range(workers):
        found |= {end for edge in edges if found & set(edge) for end in edge}
    return found


def groups(graph):
    """Heads and tails, increasing."""
    return [tuple(n for n in range(graph.workers) if graph.is_head(n) == head) for head in (True, False)]


def colourings(workers, edges):
    """All ways to make each worker a head (0) or a tail (1), worker 0 a head, without an edge inside a group."""
    ways = ((0, *rest) for rest in product((0, 1), repeat=workers - 1))
    return [way for way in ways if all(way[i] != way[j] for i, j in edges)]


@given(some_edges(), st.randoms())
def test_the_groups_are_the_only_colouring_or_the_fault_is_named(given_edges, random):
    workers, edges = given_edges
    told = [random.sample(edge, 2) for edge in random.sample(edges, len(edges))]
    lost = sorted(set(range(workers)) - reached(workers, edges))
    if lost:
        with pytest.raises(UsageError, match=f"not connected: .* worker 0 to {', '.join(map(str, lost))}$"):
            Graph.of(told, workers)
    elif not colourings(workers, edges):
        with pytest.raises(UsageError, match="not bipartite") as caught:
            Graph.of(told, workers)
        assert_odd_cycle(str(caught.value), edges)
    else:
        graph = Graph.of(told, workers)
        assert graph.edges == tuple(sorted(edges))
        (colouring,) = colourings(workers, edges)
        assert groups(graph)[0] == tuple(n for n in range(workers) if colouring[n] == 0)
        assert groups(graph)[1] == tuple(n for n in range(workers) if colouring[n] == 1)
        for n in range(workers):
            assert graph.neighbours(n) == tuple(sorted(sum(edge) - n for edge in edges if n in edge))
            assert graph.degree(n) == len(graph.neighbours(n))
            assert graph.is_head(n) == (n in groups(graph)[0])


def assert_odd_cycle(said, edges):
    """The message names a closed walk along edges, of odd length, that visits no worker twice."""
    (path,) = re.findall(r"\d+(?: - \d+)+", said)
    cycle = [int(n) for n in path.split(" - ")]
    assert cycle[0] == cycle[-1]
    assert len(cycle) % 2 == 0
    assert len(set(cycle)) == len(cycle) - 1
    assert f"{len(cycle) - 1} edges" in said
    assert all((min(pair), max(pair)) in edges for pair in pairwise(cycle))


@given(st.sampled_from(TOPOLOGIES), st.integers(1, 60))
def test_every_edge_of_a_named_graph_joins_a_head_and_a_tail(topology, workers):
    if topology == "ring" and workers > 2:
        workers += workers % 2
    graph = Graph.named(topology, workers)
    assert graph.workers == workers
    assert sorted(groups(graph)[0] + groups(graph)[1]) == list(range(workers))
    assert groups(graph)[0][0] == 0
    assert all((i in groups(graph)[0]) != (j in groups(graph)[0]) for i, j in graph.edges)
    assert sum(map(graph.degree, range(workers))) == 2 * len(graph.edges)
    assert Graph.named([list(edge)[::-1] for edge in graph.edges][::-1], workers) == graph


@given(st.integers(1, 40))
def test_a_chain(workers):
    graph = Graph.chain(workers)
    assert groups(graph)[0] == tuple(range(0, workers, 2))
    assert [graph.neighbours(n) for n in range(workers)] == [
        tuple(m for m in (n - 1, n + 1) if 0 <= m < workers) for n in range(workers)
    ]


@given(st.integers(2, 20).map(lambda half: 2 * half))
def test_a_ring(workers):
    graph = Graph.ring(workers)
    for n in range(workers):
        assert graph.neighbours(n) == tuple(sorted({(n - 1) % workers, (n + 1) % workers}))


@given(st.integers(1, 40))
def test_a_star(workers):
    graph = Graph.star(workers)
    assert groups(graph)[0] == (0,)
    assert graph.neighbours(0) == tuple(range(1, workers)) == groups(graph)[1]
    assert all(graph.neighbours(n) == (0,) for n in groups(graph)[1])


@given(st.integers(1, 60))
def test_a_grid(workers):
    """Nearly square; neighbours are at distance 1; heads are the black fields of a chessboard."""
    graph, columns = Graph.grid(workers), next(c for c in range(1, 9) if c * c >= workers)
    place = {n: divmod(n, columns) for n in range(workers)}
    for n, (r, c) in place.items():
        assert graph.neighbours(n) == tuple(m for m, (y, x) in place.items() if abs(y - r) + abs(x - c) == 1)
        assert graph.is_head(n) == ((r + c) % 2 == 0)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_one_worker_has_no_edges_and_two_have_one(topology):
    assert Graph.named(topology, 1) == Graph(1) == Graph.of([], 1)
    assert Graph.named(topology, 2) == Graph(2, ((0, 1),))
    assert (groups(Graph(1)), Graph(1).neighbours(0), Graph(1).degree(0)) == ([(0,), ()], (), 0)


@pytest.mark.parametrize(
    ("edges", "workers", "said"),
    [
        ([(0, 1), (1, 3), (2, -1)], 3, r"^edges -1 - 2, 1 - 3: workers are 0 to 2$"),
        ([(0, 1), (1, 1), (1, 2)], 3, r"^edge 1 - 1: an edge joins two different workers$"),
        ([(0, 1), (1, 2), (1, 0), (2, 1), (0, 1)], 3, r"^edges 0 - 1, 1 - 2: given more than once"),
        ([(0, 1), (2, 3)], 5, r"^not connected: no path of edges joins worker 0 to 2, 3, 4$"),
        ([], 40, r"worker 0 to 1, 2, .*, 12, \.\.\. \(39 in all\)$"),
        ([(3, 4), (2, 3), (4, 2), (0, 1), (1, 2)], 5, r"^not bipartite: 2 - 3 - 4 - 2 is a cycle of 3 edges"),
        ([(0, 1), (0, 2), (2, 3), (3, 4), (4, 1)], 5, r"^not bipartite: 0 - 2 - 3 - 4 - 1 - 0 is a cycle of 5 edges"),
        ([(0, 1), (0, 1, 2), (1,)], 3, r"not \[0, 1, 2\], \[1\]$"),
        ([(0, 1.0)], 2, r"is a pair of workers \[i, j\], not \[0, 1.0\]$"),
        (["ab"], 2, r"not \['a', 'b'\]$"),
        ([], 0, "a graph of 0 workers"),
    ],
)
def test_a_fault_is_named(edges, workers, said):
    with pytest.raises(UsageError, match=said):
        Graph.named(edges, workers)


def test_what_no_topology_can_be():
    with pytest.raises(UsageError, match=r"a ring of 5 workers .* take 4 or 6 workers, or a chain"):
        Graph.named("ring", 5)
    assert Graph.named("ring", 5, bipartite=False).degree(4) == 2
    assert len(Graph.named("complete", 5, bipartite=False).edges) == 10
    with pytest.raises(UsageError, match=r"unknown topology 'torus': must be chain, ring, star, grid, or a list"):
        Graph.named("torus", 4)
    for topology in TOPOLOGIES:
        for workers in (0, -1):
            with pytest.raises(UsageError, match=f"a graph of {workers} workers: needs at least one"):
                Graph.named(topology, workers)
    with pytest.raises(UsageError, match="edge 1 - 0: must be sorted pairs"):
        Graph(2, ((1, 0),))
    with pytest.raises(UsageError, match="edges 1 - 2, 0 - 1: must be sorted pairs"):
        Graph(3, ((1, 2), (0, 1)))


def test_a_graph_is_a_value():
    graph = Graph.chain(4)
    assert graph == Graph.of([(2, 3), (1, 0), (1, 2)], 4)
    assert hash(graph) == hash(Graph.chain(4))
    assert graph != Graph.star(4)
    with pytest.raises(FrozenInstanceError):
        graph.workers = 5


def test_a_large_graph_is_no_deep_recursion():
    assert groups(Graph.chain(20_000))[0][-1] == 19_998
    assert len(Graph.grid(10_000).edges) == 2 * 100 * 99
