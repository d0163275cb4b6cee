"""Symmetric matrices stored as one triangle."""

from hpcadmm.kernels import kernel
from hpcadmm.model.state import Array

BLOCK = 32  # rows and columns that stay in cache together


@kernel
def copy_triangle(M):  # type: ignore[no-untyped-def]
    """M[j, i] = M[i, j] for i < j, block by block."""
    n = M.shape[0]
    for lo in range(0, n, BLOCK):
        for left in range(lo, n, BLOCK):
            for i in range(lo, min(lo + BLOCK, n)):
                for j in range(max(left, i + 1), min(left + BLOCK, n)):
                    M[j, i] = M[i, j]


def mirror(M: Array) -> None:
    """The upper triangle of M (n, n), in Fortran order, becomes its lower one."""
    copy_triangle(M.T)
