"""What workers tell of networks: layers at periods of their own, codes with an R a layer, rounded or silent."""

import numpy as np
import pytest

from hpcadmm.comm.wire.quantizer import message_bytes
from hpcadmm.model.vector import spans
from hpcadmm.solvers import Gadmm, QGadmm
from hpcadmm.solvers.workers.neighbours import Censor
from hpcadmm.testing.runs import assert_same_bits, run
from tests.helpers.decentral import HIDDEN, LAYERED, LAYERS, SHORT, counted, network

ways = pytest.mark.parametrize("way", LAYERED)


def made(way="whole", **options):
    cls, own = LAYERED[way]
    return cls(**{**SHORT, **own, **options})


def test_all_layers_in_every_iteration_are_no_periods():
    one, other = run(1, made(), 5, hidden=HIDDEN), run(1, made(periods=[1, 1, 1]), 5, hidden=HIDDEN)
    assert_same_bits(one[0], other[0])


@ways
def test_layers_that_are_not_due_stay_as_they_are_known_and_so_do_their_duals(way):
    solver = made(way)
    s, p, world = network(solver)
    layers, periods = spans(p.network), solver.periods or [1, 1, 1]
    for k in range(7):
        known, mu, theta = ([x.copy() for x in stack] for stack in (s.known, s.mu, s.theta))
        solver.step(s, p, world)
        for n in range(5):
            for t, period in zip(layers, periods, strict=True):
                assert (s.theta[n][t] != theta[n][t]).any()
                if k % period:
                    assert (s.known[n][t] == known[n][t]).all()
                    assert (s.mu[n][t] == mu[n][t]).all()
                elif solver.censor is None:
                    assert (s.known[n][t] != known[n][t]).any()
                    assert (s.mu[n][t] != mu[n][t]).any()


def test_a_wire_of_float32_tells_rounded_values_in_32_bits():
    solver = made("float32", periods=None)
    s, p, world = network(solver)
    for _ in range(3):
        solver.step(s, p, world)
    assert all((k == t.astype(np.float32)).all() for k, t in zip(s.known, s.theta, strict=True))
    assert any((k != t).any() for k, t in zip(s.known, s.theta, strict=True))
    assert solver.measure(s, p, world)["payload_bits"] == 3 * 5 * 32 * sum(LAYERS)
    narrow = {"hidden": HIDDEN, "dtype": np.float32}
    assert_same_bits(run(2, solver, 3, **narrow)[0], run(2, made(), 3, **narrow)[0])


def test_a_layer_has_a_radius_of_its_own():
    """Each layer is known to within a step of its own R."""
    bits = 5
    solver = QGadmm(**SHORT, bits=bits)
    s, p, world = network(solver)
    radii = []
    for _ in range(5):
        old = np.array(s.known)
        solver.step(s, p, world)
        theta, new = np.array(s.theta), np.array(s.known)
        for t in spans(p.network):
            R = np.abs(theta - old)[:, t].max(axis=1, keepdims=True)
            assert (np.abs(new - theta)[:, t] <= 2 * R / (2**bits - 1) * (1 + 1e-6)).all()
            radii.append(R)
    assert len(np.unique(radii)) == np.size(radii)


def test_adaptive_bits_are_a_layers_own_and_its_step_never_grows():
    solver = made("adaptive", periods=None)
    s, p, world = network(solver)
    steps, bits = np.full((5, 3), np.inf), 0
    for _ in range(40):
        solver.step(s, p, world)
        b, R = np.array(s.bits), np.array(s.R)
        now = 2 * R / (2**b - 1)
        assert ((now <= steps) | (b == 32)).all()
        steps, bits = now, bits + int((b * LAYERS + 64).sum())
    assert solver.measure(s, p, world)["payload_bits"] == bits
    assert (b != b[:, :1]).any()


@pytest.mark.parametrize("bits", [None, 3, 8])
@pytest.mark.parametrize("periods", [None, [1, 1, 2], [3, 2, 6]], ids=str)
def test_only_the_layers_due_are_sent_to_the_bit(bits, periods):
    """A message is its layers' codes, each with 64 bits of its own, or their float32 values."""
    options = {**SHORT, "periods": periods}
    solver = Gadmm(**options, wire="float32") if bits is None else QGadmm(**options, bits=bits)
    each, travelled = [], []
    for k in range(7):
        due = [d for d, period in zip(LAYERS, periods or [1, 1, 1], strict=True) if k % period == 0]
        each.append(sum(32 * d if bits is None else bits * d + 64 for d in due))
        travelled.append(sum(4 * d if bits is None else int(message_bytes(bits, d)) for d in due))
    for size in (1, 2, 5):
        found = counted(size, solver, 7, hidden=HIDDEN, loss="cross-entropy", classes=3)
        measured = found[0][3]
        assert measured["payload_bits_per_worker"] == [sum(each)] * 5
        assert measured["payload_bits"] == 5 * sum(each)
        assert measured["rounds"] == 2 * sum(bits > 0 for bits in each)
        assert measured["payload_messages"] == 5 * sum(bits > 0 for bits in each)
        seen = [sum(at) for at in zip(*(row for row, *_ in found), strict=True)]
        assert seen == [2 * (size - 1) * size_of for size_of in travelled]
        assert {row["bytes"] for _, _, row, _ in found} == {sum(sent[0] for _, sent, *_ in found)}


@ways
def test_bytes_in_the_metrics_are_what_the_communicator_saw(way):
    for size in (1, 3, 5):
        found = counted(size, made(way), 9, hidden=HIDDEN, loss="cross-entropy", classes=3)
        _, sent, totals, _ = zip(*found, strict=True)
        assert {row["bytes"] for row in totals} == {sum(size for size, _ in sent)}
        assert {row["messages"] for row in totals} == {sum(count for _, count in sent)}


def test_a_worker_is_silent_by_the_layers_due():
    solver = made("censored", censor=Censor(0.2, 0.8), periods=[2, 1, 3])
    s, p, world = network(solver)
    layers, spoke, bits = spans(p.network), 0, 0
    for k in range(20):
        old = [row.copy() for row in s.known]
        solver.step(s, p, world)
        due = [t for t, period in zip(layers, solver.periods, strict=True) if k % period == 0]
        for before, now, theta in zip(old, s.known, s.theta, strict=True):
            far = max(np.abs(theta[t] - before[t]).max() for t in due) >= 0.2 * 0.8**k
            assert all((now[t] == (theta if far else before)[t]).all() for t in due)
            spoke, bits = spoke + far, bits + far * 64 * sum(t.stop - t.start for t in due)
    measured = solver.measure(s, p, world)
    assert 0 < spoke < 5 * 20
    assert (measured["payload_messages"], measured["payload_bits"]) == (spoke, bits)


def test_more_workers_than_samples_and_single_samples_do():
    solver = made(batch=1)
    one = run(1, solver, 4, hidden=HIDDEN, samples=3)
    assert_same_bits(one[0], run(3, solver, 4, hidden=HIDDEN, samples=3)[0])
    assert all(np.isfinite(x).all() for x in one[0].values())
