"""What travels between layers: both ends agree to the bit, errors have a bound, and a constant array arrives."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hpcadmm.comm.wire.wire import Wire, quantum

NAMES = ("float64", "float32", "float16", 8, 16)
LEVELS = {8: 127, 16: 32767}
GUARD = 0xA5

both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
every = pytest.mark.parametrize("name", NAMES)
coded = pytest.mark.parametrize("name", LEVELS)
seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(0, 70), st.integers(0, 70))
powers = st.sampled_from([(0, 0), (-8, 8), (-30, 30), (-152, -130), (-160, 60), (100, 122)])  # denormal to huge


def anything(dtype):
    """Small arrays of any values: infinite, NaN of any kind, denormal, negative zero."""
    shape = array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5)
    values = st.floats(width=np.dtype(dtype).itemsize * 8)
    pair = shape.flatmap(lambda s: st.tuples(arrays(dtype, s, elements=values), arrays(dtype, s, elements=values)))
    return pair.map(lambda both: tuple(np.asfortranarray(a) for a in both))


def tile(random, shape, dtype, power=(0, 0)):
    """Normal entries times powers of two, in Fortran order; float64 spreads 8 times as far."""
    scale = 2.0 ** np.clip(random.uniform(*power, shape) * (1 if dtype == np.float32 else 8), -1070, 1000)
    return np.asfortranarray(random.standard_normal(shape) * scale, dtype)


def send(wire, x, sender, receiver, offset=0):
    """One message, packed in the middle of other bytes; sender and receiver become what is agreed."""
    size = wire.packed_bytes(x.size)
    buffer = np.full(offset + size + 9, GUARD, np.uint8)
    wire.encode(x, sender, buffer[offset : offset + size])
    assert (buffer[:offset] == GUARD).all()
    assert (buffer[offset + size :] == GUARD).all()
    wire.decode(buffer[offset : offset + size], receiver)
    return buffer[offset : offset + size].tobytes()


def parts(name, packed):
    """The scale and the codes of a message."""
    return np.frombuffer(packed[:8])[0], np.frombuffer(packed[8:], f"int{name}")


@every
@both
@given(data=st.data(), offset=st.sampled_from([0, 1, 8]))
def test_both_ends_hold_the_same_bits_whatever_is_sent(name, dtype, data, offset):
    x, known = data.draw(anything(dtype))
    wire, receiver, before = Wire(name, dtype), known.copy(order="F"), x.tobytes()
    for _ in range(3):
        send(wire, x, known, receiver, offset)
        assert known.tobytes() == receiver.tobytes()
    assert x.tobytes() == before
    assert not np.isfinite(known[~np.isfinite(x)]).any()


@every
@both
@given(seed=seeds, shape=shapes, power=powers)
def test_both_ends_hold_the_same_bits_after_many_messages(name, dtype, seed, shape, power):
    """Tiles longer than a vector and than a block, their remainders too; the bytes depend on x and known alone."""
    random, wire = np.random.default_rng(seed), Wire(name, dtype)
    sender, receiver, other = (np.zeros(shape, dtype, order="F") for _ in range(3))
    for _ in range(4):
        x = tile(random, shape, dtype, power)
        assert send(wire, x, sender, receiver) == send(wire, x, other, other.copy(order="F"), offset=3)
        assert sender.tobytes() == receiver.tobytes() == other.tobytes()


@coded
@both
@given(seed=seeds, shape=shapes, power=powers)
@example(seed=0, shape=(70, 70), power=(0, 0))
def test_a_message_is_the_difference_in_steps_of_its_scale(name, dtype, seed, shape, power):
    """s = max |x - known|, which the codes +-levels mean; agreed = known + code step, rounded twice, is at most half a
    step away."""
    random, eps = np.random.default_rng(seed), np.finfo(dtype).eps
    x, known = tile(random, shape, dtype, power), tile(random, shape, dtype, power)
    agreed, receiver = known.copy(order="F"), known.copy(order="F")
    scale, codes = parts(name, send(Wire(name, dtype), x, agreed, receiver))
    assert scale == abs(x - known).max(initial=0)
    codes = codes.reshape(shape, order="F")
    assert abs(codes.astype(int)).max(initial=0) <= LEVELS[name]
    if scale:
        step = quantum(scale, LEVELS[name], dtype)
        assert abs(codes.astype(int)).max() == LEVELS[name] or step < 2 * np.finfo(dtype).smallest_normal
        assert agreed.tobytes() == (known + codes.astype(dtype) * step).tobytes()
        assert abs(codes - (x - known) / step).max(initial=0) <= 0.5 + 1e-9
    rounding = eps * np.maximum(abs(x), abs(known)) + 2 * np.finfo(dtype).smallest_subnormal
    assert (abs(agreed - x) <= scale / (2 * LEVELS[name]) + 4 * eps * scale + rounding).all()


@coded
@both
@given(seed=seeds, shape=shapes, power=powers)
def test_a_constant_array_arrives_geometrically_and_then_exactly(name, dtype, seed, shape, power):
    """Each message leaves at most 1 / (2 levels) of the error, down to the rounding of known; the last one nothing."""
    random, limits = np.random.default_rng(seed), np.finfo(dtype)
    x, known = tile(random, shape, dtype, power), tile(random, shape, dtype, power)
    floor = limits.eps * max(abs(x).max(initial=0), abs(known).max(initial=0)) + 2 * limits.smallest_subnormal
    error, messages = abs(x - known).max(initial=0), 0
    while error and messages < 400:
        send(Wire(name, dtype), x, known, known.copy(order="F"))
        left = abs(x - known).max(initial=0)
        assert left <= error * (0.5 / LEVELS[name] + 4 * limits.eps) + floor
        error, messages = left, messages + 1
    assert (known == x).all()


@coded
@both
def test_the_error_falls_with_the_steps_of_a_sequence_that_converges(name, dtype):
    """x_k = x + 2^-k e: the error follows the last step, though each message has few bits."""
    random, wire = np.random.default_rng(1), Wire(name, dtype)
    end, away = tile(random, (20, 30), dtype), tile(random, (20, 30), dtype)
    known = np.zeros((20, 30), dtype, order="F")
    for k in range(40):
        send(wire, np.asfortranarray(end + dtype(2.0**-k) * away), known, known.copy(order="F"))
        moved = abs(away).max() * 2.0**-k
        assert abs(known - end).max() <= (4 if k == 0 else 1.02) * moved + 4 * np.finfo(dtype).eps * abs(end).max()


@coded
@both
def test_what_is_known_already_sends_zeros(name, dtype):
    x = np.asfortranarray([[-0.0, 1.0], [2.5, -3e30]], dtype)
    known = x.copy(order="F")
    packed = send(Wire(name, dtype), x, known, known.copy(order="F"))
    assert packed == bytes(len(packed))
    assert known.tobytes() == x.tobytes()


@pytest.mark.parametrize(("name", "dtype"), [("float64", np.float64), ("float64", np.float32), ("float32", np.float32)])
@given(data=st.data())
def test_a_lossless_wire_gives_the_array_itself(name, dtype, data):
    x, known = data.draw(anything(dtype))
    wire, receiver = Wire(name, dtype), known.copy(order="F")
    assert wire.lossless
    assert send(wire, x, known, receiver) == x.T.tobytes()
    assert known.tobytes() == receiver.tobytes() == x.tobytes()


@given(data=st.data())
def test_float32_rounds_float64_whatever_was_known(data):
    x, known = data.draw(anything(np.float64))
    wire = Wire("float32", np.float64)
    send(wire, x, known, known.copy(order="F"))
    assert not wire.lossless
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(known, x.astype(np.float32).astype(np.float64))


@both
@given(data=st.data())
def test_float16_sends_the_difference_as_the_nearest_half(dtype, data):
    """As numpy rounds it, where x and known are finite; from float64 through float32."""
    x, known = data.draw(anything(dtype))
    was, receiver = known.copy(order="F"), known.copy(order="F")
    halves = np.frombuffer(send(Wire("float16", dtype), x, known, receiver), np.float16).reshape(x.shape, order="F")
    finite = np.isfinite(x) & np.isfinite(was)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.clip(x - was, -65504, 65504).astype(np.float32).astype(np.float16)
        np.testing.assert_array_equal(halves[finite], expected[finite])
        np.testing.assert_array_equal(known[finite], (was + halves.astype(dtype))[finite])
        np.testing.assert_array_equal(receiver, known)


@both
def test_what_float16_clips_comes_with_the_next_messages(dtype):
    x = np.asfortranarray([[200_000.0, -150_000.0, 1.0]], dtype)
    known = np.zeros((1, 3), dtype, order="F")
    for expected in ([65504, -65504, 1], [131008, -131008, 1], [196512, -150000, 1], [200_000, -150_000, 1]):
        send(Wire("float16", dtype), x, known, known.copy(order="F"))
        np.testing.assert_allclose(known[0], expected, rtol=1e-4)
    assert (known == x).all()


@every
@both
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 2047, 2048, 4999])
def test_what_is_not_finite_is_seen_at_both_ends_and_stays(name, dtype, bad, at):
    x = np.asfortranarray(np.ones((50, 100)), dtype)
    sender, receiver = (np.zeros((50, 100), dtype, order="F") for _ in range(2))
    x[at % 50, at // 50] = bad
    packed = send(Wire(name, dtype), x, sender, receiver)
    assert name not in LEVELS or packed[8:] == bytes(len(packed) - 8)  # NaN is never made an integer
    x[at % 50, at // 50] = 1
    if name in ("float16", 8, 16):
        send(Wire(name, dtype), x, sender, receiver)
    assert not np.isfinite(sender[at % 50, at // 50])
    assert sender.tobytes() == receiver.tobytes()


@coded
def test_a_difference_over_the_range_counts_as_not_finite(name):
    known = np.full((1, 2), -3e38, np.float32, order="F")
    send(Wire(name, np.float32), -known, known, known.copy(order="F"))
    assert np.isnan(known).all()


@every
@both
@settings(max_examples=10)
@given(seed=seeds, lo=st.integers(0, 20), width=st.integers(0, 20))
def test_column_slices_change_their_own_columns_only(name, dtype, seed, lo, width):
    random, columns = np.random.default_rng(seed), slice(lo, lo + width)
    x, known = tile(random, (9, 40), dtype), tile(random, (9, 40), dtype)
    before, alone = known.copy(order="F"), known[:, columns].copy(order="F")
    packed = send(Wire(name, dtype), x[:, columns], known[:, columns], before[:, columns].copy(order="F"))
    assert packed == send(Wire(name, dtype), x[:, columns].copy(order="F"), alone, alone.copy(order="F"))
    assert (known[:, columns] == alone).all()
    outside = np.r_[0:lo, lo + width : 40]
    assert (known[:, outside] == before[:, outside]).all()


@every
@both
def test_a_message_that_cannot_be_written_to_is_read(name, dtype):
    """Bytes of a file or of another process."""
    wire, x = Wire(name, dtype), tile(np.random.default_rng(0), (3, 4), dtype)
    known, receiver = (np.zeros((3, 4), dtype, order="F") for _ in range(2))
    wire.decode(np.frombuffer(send(wire, x, known, known.copy(order="F")), np.uint8), receiver)
    assert known.tobytes() == receiver.tobytes()
