"""Packed tiles: their sizes, what is refused, and half precision at each of its numbers."""

import numpy as np
import pytest

from hpcadmm.comm.wire import wire_kernels as kernels
from hpcadmm.comm.wire.wire import Wire

SIZES = [("float64", np.float64, 8), ("float64", np.float32, 4), ("float32", np.float64, 4), ("float32", np.float32, 4)]
SIZES += [("float16", np.float64, 2), ("float16", np.float32, 2), (16, np.float32, 2), (8, np.float32, 1)]


@pytest.mark.parametrize(("name", "dtype", "each"), SIZES)
def test_the_size_of_a_message(name, dtype, each):
    wire = Wire(name, dtype)
    assert wire.packed_bytes(64 * 100) == 64 * 100 * each + (8 if name in (8, 16) else 0)
    assert wire.lossless == (each == np.dtype(dtype).itemsize)
    assert name != 8 or Wire("float32", dtype).packed_bytes(64 * 100) / wire.packed_bytes(64 * 100) >= 3.8


F = np.zeros((3, 4), np.float32, order="F")
OUT = np.zeros(20, np.uint8)
LOCKED, LOCKED_OUT = np.array(F), OUT.copy()
LOCKED.flags.writeable = LOCKED_OUT.flags.writeable = False


@pytest.mark.parametrize(
    ("x", "known", "out", "message"),
    [
        (F.astype(np.float64), F, OUT, "x is float64, but the wire encodes float32"),
        (F, F.astype(np.float64), OUT, "known is float64"),
        (F, F[:, :3], OUT, r"x is \(3, 4\), known \(3, 3\)"),
        (F[:2], F[:2], OUT[:16], r"x \(2, 4\) is not contiguous in Fortran order: its strides are \(4, 12\)"),
        (F, np.zeros((3, 4), np.float32), OUT, "known .* strides"),
        (F, F, OUT[:19], r"12 entries is uint8 \(20,\) and contiguous, not uint8 \(19,\)"),
        (F, F, OUT.view(np.int8), "not int8"),
        (F, F, np.zeros(40, np.uint8)[::2], r"strides \(2,\)"),
        (F, LOCKED, OUT, "read-only"),
        (F, F, LOCKED_OUT, "read-only"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(x, known, out, message):
    with pytest.raises(TypeError, match=message):
        Wire(8, np.float32).encode(x, known, out)


def test_decoding_refuses_what_does_not_fit():
    for packed, known in ((OUT[:19], F), (OUT, LOCKED), (OUT, np.zeros((3, 4), np.float32)), (OUT, F[:, :3])):
        with pytest.raises(TypeError):
            Wire(8, np.float32).decode(packed, known)


@pytest.mark.parametrize("name", ["int8", 4, 8.0, "float128", None])
def test_there_are_no_other_wires(name):
    with pytest.raises(ValueError, match="there is no wire"):
        Wire(name, np.float32)
    with pytest.raises(TypeError, match="int32"):
        Wire(8, np.int32)


def test_every_half_is_read_and_written_as_numpy_does():
    """All 65,536, the points half way between two and their neighbours in float32."""
    bits = np.arange(65536, dtype=np.uint16).view(np.int16)
    halves, read = bits.view(np.float16), np.zeros(65536, np.float32)
    kernels.add_halves(bits, read)
    finite = np.isfinite(halves)
    np.testing.assert_array_equal(read[finite], halves[finite].astype(np.float32))
    assert np.isnan(read[~finite]).all()
    exact = np.unique(halves[finite].astype(np.float32))
    midway = (exact[1:] + exact[:-1]) / 2
    x = np.concatenate([exact, *(np.nextafter(midway, np.float32(to)) for to in (-np.inf, np.inf)), midway])
    written = np.empty(x.size, np.int16)
    kernels.halve(x, np.zeros_like(x), written)
    np.testing.assert_array_equal(written.view(np.float16), x.astype(np.float16))
