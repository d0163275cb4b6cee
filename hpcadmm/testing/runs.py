"""Solvers stepped on any number of ranks, their states joined to what one rank would hold, and compared bit by bit."""

import hashlib
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, items, take_numbers
from hpcadmm.model.tiles import Tiles
from hpcadmm.testing.problems import posed, stepped
from hpcadmm.testing.threads import on_ranks

Whole = dict[str, Array]  # global arrays by path


class Piece(NamedTuple):
    """An array of a state on one rank: its first global column, and how many there are, where it lies in columns."""

    lies: str
    array: Array
    lo: int
    samples: int


def digest(*arrays: Any) -> str:
    """Of the bits, whatever the memory order."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(x).tobytes() for x in arrays)).hexdigest()


def held(state: Any, p: Problem) -> dict[str, Piece]:
    """The state's arrays on this rank, by path."""
    return {i.path: Piece(i.lies, i.array.copy(), p.tiles.lo, p.tiles.n) for i in items(state)}


def joined(parts: list[dict[str, Piece]]) -> Whole:
    """The global arrays of what the ranks hold; what is replicated must be the same on all, the others be held
    once; what each rank has of its own is stacked."""
    whole = {}
    for path in sorted(set().union(*parts)):
        pieces = [part[path] for part in parts if path in part]
        lies, array, _, samples = pieces[0]
        assert {piece.lies for piece in pieces} == {lies}, path
        if lies == "sites":
            assert len(pieces) == 1, f"{path} is on {len(pieces)} ranks"
            whole[path] = array
            continue
        if lies == "layers":
            assert len({digest(piece.array) for piece in pieces}) == 1, path
            whole[path] = array
            continue
        if lies == "ranks":
            whole[path] = np.stack([piece.array for piece in pieces])
            continue
        if lies != "cells":
            assert len(pieces) == len(parts), f"{path} is on some ranks only"
        if lies == "replicated":
            assert len({digest(piece.array) for piece in pieces}) == 1, path
            whole[path] = array
            continue
        pieces.sort(key=lambda piece: (piece.lo, piece.array.shape[-1]))
        for one, following in pairwise(pieces):
            assert one.lo + one.array.shape[-1] == following.lo, f"{path}: columns twice, or on no rank"
        whole[path] = np.concatenate([piece.array for piece in pieces], axis=-1)
        assert whole[path].shape[-1] == samples, path
    return whole


def done(solver: Any, state: Any, p: Problem, world: World) -> tuple[dict[str, Piece], dict[str, Any]]:
    """What a rank holds at the end, W of all layers included, and what is measured."""
    solver.complete(state, world)
    measured = dict(solver.measure(state, p, world))
    solver.weights(state, world)
    return held(state, p), measured


def together(found: list[Any]) -> tuple[Whole, dict[str, Any]]:
    """The global arrays, and what all ranks measured alike."""
    assert all(measured == found[0][1] for _, measured in found)
    return joined([part for part, _ in found]), found[0][1]


def run(size: int, solver: Any, steps: int, **options: Any) -> tuple[Whole, dict[str, Any]]:
    """The global arrays after so many steps on `size` ranks, and what is measured there."""

    def work(world: World) -> Any:
        p, world = posed(solver, world, **options)
        return done(solver, stepped(solver, p, world, steps), p, world)

    return together(on_ranks(size, work))


def resumed(size: int, solver: Any, saved: Whole, steps: int, **options: Any) -> tuple[Whole, dict[str, Any]]:
    """As `run`, from a saved state."""

    def work(world: World) -> Any:
        p, world = posed(solver, world, **options)
        state = solver.blank(p, world)
        into = list(items(state))
        for item in into:
            item.array[...] = share_of(saved[item.path], item.lies, p.tiles)
        take_numbers(state, into)
        solver.prepare(state, p, world)
        for _ in range(steps):
            solver.step(state, p, world)
        return done(solver, state, p, world)

    return together(on_ranks(size, work))


def share_of(given: Array, lies: str, tiles: Tiles) -> Array:
    """What a rank with these tiles takes of a global array."""
    if lies == "ranks":
        return np.sum(given[tiles.rank :: tiles.size], axis=0)
    return given if lies in ("replicated", "sites", "layers") else given[..., tiles.lo : tiles.hi]


def assert_same_bits(one: Whole, other: Whole) -> None:
    assert one.keys() == other.keys()
    for path in one:
        assert one[path].shape == other[path].shape, path
        assert digest(one[path]) == digest(other[path]), path
