"""One vector for several exact sums: of their scales, for a checkpoint, or of their messages."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpcadmm.comm.exact.sums import Exact


def carried(sums: Sequence[Exact]) -> NDArray[np.int64]:
    """Move the scales of these sums into one vector, for a checkpoint."""
    return carry(sums, np.concatenate([s.scales for s in sums]))


def carry(sums: Sequence[Exact], scales: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move the scales of these sums into a vector that `carried` made for sums of these shapes."""
    start = 0
    for s in sums:
        s.scales = scales[start : start + len(s.scales)]
        start += len(s.scales)
    return scales


def side_by_side(sums: Sequence[Exact]) -> NDArray[np.float64]:
    """Move the messages of these sums, none of them symmetric, into one vector: the sum over the ranks is then in place,
    without a copy."""
    message = np.zeros(sum(s.packed.size for s in sums))
    start = 0
    for s in sums:
        s.lie_in(message[start : start + s.packed.size])
        start += s.packed.size
    return message
