"""ReLU and leaky ReLU with rounding to bfloat16 in the same pass; rows are samples."""

from hpcadmm.kernels import kernel
from hpcadmm.products.rounding import upper_half


@kernel
def value(z, slope, plain):  # type: ignore[no-untyped-def]
    """plain = z where z > 0, slope z elsewhere."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            v = z[j, i]
            plain[j, i] = upper_half(v if v > 0 else slope * v)


@kernel
def through(z, pull, one, slope, plain):  # type: ignore[no-untyped-def]
    """plain = pull where z > 0, slope pull elsewhere."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            plain[j, i] = upper_half(pull[j, i] * (one if z[j, i] > 0 else slope))
