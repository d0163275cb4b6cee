"""The verbs: what they give, what they count, and that a fault on one rank is a fault on all."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm import world as module
from hpcadmm.comm.world import World
from hpcadmm.errors import RankFailed, UsageError
from hpcadmm.testing.threads import on_ranks

sizes = st.integers(1, 4)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
values = st.recursive(plain, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3), max_leaves=8)


@settings(max_examples=20)
@given(size=sizes)
def test_sum_max_min_of_several_arrays_at_once(size):
    def work(world):
        r = world.rank
        return world.sum(r, np.full((2, 3), r + 0.5)), world.max([r, -r]), world.min(np.array([[r, -r]])), world.sum([])

    top = size - 1
    for (count, matrix), (high,), (low,), (nothing,) in on_ranks(size, work):
        assert count == sum(range(size))
        assert (matrix == sum(range(size)) + 0.5 * size).all()
        assert matrix.shape == (2, 3)
        assert list(high) == [top, 0]
        assert low.tolist() == [[0, -top]]
        assert nothing.size == 0


def test_the_operands_of_a_sum_are_left_alone():
    given = np.ones((2, 2))
    (total,) = World.alone().sum(given)
    total += 1
    assert (given == 1).all()


@settings(max_examples=30)
@given(size=sizes, value=values)
def test_share_gives_what_the_first_rank_has(size, value):
    assert on_ranks(size, lambda world: world.share(value if world.first else "nothing")) == [value] * size


@settings(max_examples=30)
@given(size=sizes, data=st.data())
def test_gather_gives_everybody_s_in_the_order_of_the_ranks(size, data):
    said = data.draw(st.lists(values, min_size=size, max_size=size))
    assert on_ranks(size, lambda world: world.gather(said[world.rank])) == [said] * size


@settings(max_examples=30)
@given(size=sizes, data=st.data(), known=st.booleans())
def test_bytes_are_gathered_in_the_order_of_the_ranks_and_their_lengths_travel_where_not_known(size, data, known):
    said = data.draw(st.lists(st.binary(max_size=9), min_size=size, max_size=size))

    def work(world):
        lengths = np.array([len(text) for text in said]) if known else None
        found = world.gather_bytes(np.frombuffer(said[world.rank], np.uint8), lengths)
        return [part.tobytes() for part in found], world.traffic.bytes

    header = 0 if known else 8
    assert on_ranks(size, work) == [(said, len(text) + header if size > 1 else 0) for text in said]


def test_broadcast_overwrites_in_place():
    def work(world):
        array = np.full((2, 3), world.rank, dtype=np.float32)
        assert world.broadcast(array) is array
        return array.tolist()

    assert on_ranks(3, work) == [[[0, 0, 0], [0, 0, 0]]] * 3


def test_messages_longer_than_a_chunk_are_cut(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 7)

    def work(world):
        array = np.arange(20.0) * (world.rank + 1)
        (total,) = world.sum(array)
        return total.tolist(), world.broadcast(array).tolist()

    assert on_ranks(2, work) == [((np.arange(20.0) * 3).tolist(), np.arange(20.0).tolist())] * 2


@pytest.mark.parametrize("root", [0, 1, 2])
def test_broadcast_from_any_rank(monkeypatch, root):
    monkeypatch.setattr(module, "CHUNK", 4)

    def work(world):
        array = np.asfortranarray(np.arange(6.0).reshape(2, 3) + 10 * world.rank)
        world.broadcast(array, root)
        return array.tolist()

    assert on_ranks(3, work) == [(np.arange(6.0).reshape(2, 3) + 10 * root).tolist()] * 3


def test_every_verb_is_counted_where_there_is_somebody_to_talk_to():
    def work(world):
        counts = []
        for verb in (
            lambda: world.sum(np.ones(3), np.ones((2, 2))),
            lambda: world.max(1.0),
            lambda: world.sum_flat(np.ones(5)),
            lambda: world.broadcast(np.ones(4, np.float32)),
            world.barrier,
        ):
            before = world.traffic.messages, world.traffic.bytes
            verb()
            counts.append((world.traffic.messages - before[0], world.traffic.bytes - before[1]))
        assert world.traffic.seconds > 0
        return counts

    assert on_ranks(2, work) == [[(1, 56), (1, 8), (1, 40), (1, 16), (1, 0)]] * 2
    assert work(World.alone()) == [(0, 0)] * 5


def test_the_watchdog_hears_what_is_waited_for():
    world, heard = World.alone(), []
    world.beat = heard.append
    world.sum(1.0)
    world.barrier()
    assert heard == ["sum", None, "barrier", None]


def failing(fault, ranks):
    """What each of three ranks raises if some of them fail in a part that is done together."""

    def work(world):
        try:
            with world.together("reading the data"):
                if world.rank in ranks:
                    raise fault(world.rank)
        except Exception as error:  # noqa: BLE001
            return type(error), str(error)
        return None

    return on_ranks(3, work)


def test_together_nothing_happens_if_nothing_fails():
    assert failing(ValueError, ()) == [None] * 3


@pytest.mark.parametrize("ranks", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_bad_input_on_some_ranks_is_the_same_message_on_all(ranks):
    found = failing(lambda rank: UsageError(f"no file on rank {rank}"), ranks)
    assert found == [(UsageError, f"no file on rank {ranks[0]}")] * 3


@pytest.mark.parametrize("ranks", [(0,), (2,), (0, 2)])
def test_a_defect_on_some_ranks_is_named_on_the_others(ranks):
    found = failing(lambda rank: ZeroDivisionError(f"by {rank}"), ranks)
    for rank in range(3):
        if rank in ranks:
            assert found[rank] == (ZeroDivisionError, f"by {rank}")
        else:
            text = f"reading the data: rank {ranks[0]} failed: ZeroDivisionError: by {ranks[0]}"
            assert found[rank] == (RankFailed, text)


def test_a_defect_outweighs_bad_input():
    def fault(rank):
        return UsageError("bad") if rank == 0 else ZeroDivisionError("worse")

    found = failing(fault, (0, 1))
    assert [kind for kind, _ in found] == [UsageError, ZeroDivisionError, RankFailed]


def test_digests_that_differ_are_refused_on_all_ranks():
    def work(world):
        world.digest_agrees("ab" * 32, "the job")
        try:
            world.digest_agrees(f"{world.rank}" * 64, "the data")
        except UsageError as error:
            return str(error)
        return None

    found = on_ranks(2, work)
    assert found[0] == found[1]
    for part in ("the data", "rank 0: 000000000000", "rank 1: 111111111111", "see the same files"):
        assert part in found[0]


PROGRAM = """
import json
import numpy as np
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
w = World()
(a, b), (c,), (d,) = w.sum(np.full((2, 2), w.rank + 1.0), 1), w.max(w.rank), w.min(w.rank)
said = w.share({"é": [1.5, None]} if w.first else None)
everybody = w.gather("x" * w.rank)
try:
    with w.together("a part"):
        if w.rank == w.size - 1:
            raise UsageError("bad")
    fault = None
except UsageError as error:
    fault = str(error)
g = w.arranged(w.size, 1)
x, known = np.full((2, 3), float(w.rank), order="F"), np.zeros((2, 3), order="F")
pending = [g.chain.receive(known, w.rank - 1, 3)] if w.rank else []
pending += [g.chain.send(x, w.rank + 1, 3)] if w.rank < w.size - 1 else []
for one in pending:
    one.wait()
one, other = np.full(4, w.rank + 1.0), np.full(1 << 18, 2.0**w.rank)
travelling = [w.start_sum(one), w.start_sum(other)]
w.progress()
for each in reversed(travelling):
    each.wait()
below = w.gather([g.chain.size, g.samples.size, known.tolist()])
last = w.broadcast(np.array([float(w.rank)]), w.size - 1).tolist()
w.barrier()
mine = [a.tolist(), float(b), float(c), float(d), said, everybody, fault, below, last, one.tolist(), float(other[-1])]
for rank, other in enumerate(w.gather(mine)):
    assert other == mine, (rank, other, mine)
if w.first:
    print(json.dumps([*mine, w.traffic.messages]))
"""


@pytest.mark.parametrize("n", [1, 3])
def test_on_real_ranks(mpirun, n):
    done = mpirun(n, PROGRAM).check()
    n = done.n
    a, b, c, d, said, everybody, fault, below, last, one, other, messages = json.loads(done.stdout)
    assert a == [[n * (n + 1) / 2] * 2] * 2
    assert (b, c, d, said, fault) == (n, n - 1, 0, {"é": [1.5, None]}, "bad")
    assert everybody == ["x" * rank for rank in range(n)]
    assert below == [[n, 1, [[max(rank - 1, 0)] * 3] * 2] for rank in range(n)]
    assert last == [n - 1]
    assert (one, other) == ([n * (n + 1) / 2] * 4, 2**n - 1)
    assert messages == (14 if n > 1 else 0)
