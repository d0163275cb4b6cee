"""One vector for several exact sums: of their scales, for a checkpoint, and of all that travels, for one message."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.exact.sums import Exact


def carried(sums: Sequence[Exact]) -> NDArray[np.int64]:
    """One vector in which the scales of these sums lie from now on, for a checkpoint to keep."""
    return carry(sums, np.concatenate([s.scales for s in sums]))


def carry(sums: Sequence[Exact], scales: NDArray[np.int64]) -> NDArray[np.int64]:
    """Let the scales of these sums lie in a vector that `carried` has made for sums of these shapes."""
    start = 0
    for s in sums:
        s.scales = scales[start : start + len(s.scales)]
        start += len(s.scales)
    return scales


def side_by_side(sums: Sequence[Exact]) -> NDArray[np.float64]:
    """One vector that holds all that travels of these sums, none of them symmetric: as a `message` they are summed
    where they lie, without a copy."""
    message = np.zeros(sum(s.size for s in sums))
    start = 0
    for s in sums:
        s.lie_in(message[start : start + s.size])
        start += s.size
    return message
