"""The W step of mpadmm: a linearised proximal step whose penalty is a matrix, Q^-1 from the left and P^-1 from the
right."""

import numpy as np
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotri, spotrf, spotri

from hpcadmm.model.losses.base import Loss
from hpcadmm.model.state import Array
from hpcadmm.model.symmetric import mirror
from hpcadmm.products.base import Engine, Operand, Operands


def damped_inverse(M: Array, damping: float, scale: float, out: Array) -> None:
    """out = scale (M + damping I)^-1 by Cholesky, in the precision of `out`; M (n, n): only its lower triangle is read.

    A matrix that does not factor, or is not finite, gives NaN, so that the run reports divergence.
    """
    potrf, potri = (spotrf, spotri) if out.dtype == np.float32 else (dpotrf, dpotri)
    out[...] = M
    diagonal = np.arange(len(M))
    out[diagonal, diagonal] += damping
    out /= scale
    try:
        factor, info = potrf(out, lower=True, overwrite_a=True, clean=False)
        inverse, again = potri(factor, lower=True, overwrite_c=True)
    except (LinAlgError, ValueError):
        info = again = 1
    if info or again:
        out[...] = np.nan
        return
    out[...] = inverse
    mirror(out)


def usual_step(loss: Loss) -> float:
    """eta where the job gives none: 6, or 0.5 for the losses of real targets."""
    return 0.5 if loss.name == "squared" or loss.real else 6.0


def mean_diagonal(M: Array) -> float:
    """tr M / n."""
    return float(np.trace(M)) / max(len(M), 1)


def input_penalty(A: Array, delta: float, out: Array) -> None:
    """P = (A + delta alpha I)^-1, alpha = tr A / n. For A = 0: P = I / delta."""
    alpha = mean_diagonal(A) or 1.0
    damped_inverse(A, delta * alpha, 1.0, out)


def output_penalty(B: Array, g: float, out: Array) -> None:
    """Q = (1 + g) (B / tau + g I)^-1, tau = tr B / n, so Q = I where B = tau I. For B = 0: Q = (1 + g) / g I."""
    tau = mean_diagonal(B) or 1.0
    damped_inverse(B, g * tau, (1.0 + g) * tau, out)


def direction(Q: Operand, C: Array, P: Operand, out: Array, engine: Engine, operands: Operands) -> Array:
    """D = Q C P = argmax_D <C, D> - 1/2 <D, Q^-1 D P^-1>; the cheaper product first. Q and P are operands of `engine`;
    operands: memory for those between."""
    rows, columns = C.shape
    if rows <= columns:
        return engine.apply(Q, operands.rounded("CP", engine.apply(operands.rounded("C", C), P)), out)
    return engine.apply(operands.rounded("QC", engine.apply(Q, operands.rounded("C", C))), P, out)
