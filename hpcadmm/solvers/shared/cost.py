"""Parts of bills that several families share: sums, normal equations, passes of a batch."""

from hpcadmm.comm.exact.sums import words
from hpcadmm.comm.wire.narrow import NARROW, packed_bytes
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.ops import Bill


def triangle(n: int) -> int:
    """Entries of the half of a symmetric matrix that travels."""
    return n * (n + 1) // 2


def summed(place: Place, rows: int, columns: int = 0, patient: bool = False) -> int:
    """Words of 8 bytes that a sum (rows, columns) over the tiles sends; without columns, symmetric (rows, rows)."""
    sums = place.case.solver.sums
    entries = rows * columns if columns else triangle(rows)
    if sums in NARROW:
        return packed_bytes(entries, sums if columns else "bfloat16") // 8
    return words(place.case.dtype, plain=sums == "plain", patient=patient) * entries + rows + columns


def fit_weights(bill: Bill, l: int, rows: int, columns: int, factor: bool) -> None:
    """W from its normal equations, in float64."""
    if factor:
        bill.dense(l, "cholesky", columns)
    bill.dense(l, "solve", columns, rows, times=2)


def fit_activation(bill: Bill, l: int, above: int, units: int, width: int, upper: int = 0) -> None:
    """The a step of layer l from W and z of layer `upper` (default: l), in the cheaper of its two forms."""
    least, u = min(above, units), upper or l
    bill.dense(l, "square", least, max(above, units))
    bill.dense(l, "cholesky", least)
    bill.dense(l, "solve", least, units, times=2)
    if above >= units:
        bill.gemm(l, "pull", units, above, name=f"W{u}^T z{u}")
        bill.gemm(l, "apply", units, units, name=f"G{l} s{l}")
    else:
        bill.gemm(l, "apply", above, width, name=f"W{u} h{l}")
        bill.gemm(l, "apply", units, above, name=f"P{l} e{l}")
        bill.passes(l, near=3 * above + 3 * units, calls=2)


def data_rows(place: Place) -> float:
    """Bytes of a sample: x with its row of ones, y, its label."""
    case = place.case
    return case.item * (case.n[0] + case.bias + case.n[-1]) + 8


def rounded(place: Place, rows: float) -> float:
    """Bytes of one sample in operands of this many rows; 0 for arrays, which are their own operands."""
    return 2.0 * rows if place.case.precision == "bfloat16" else 0.0


def batch_bill(place: Place) -> Bill:
    """An empty bill over this rank's share of a mean batch."""
    case, batch = place.case, place.case.solver.batch
    if not batch:
        return Bill(place.columns, place.calls, case.item)
    batches = max(1, -(-case.samples // batch))
    bill = Bill(place.columns / batches, place.calls, case.item)
    bill.passes(1, far=2 * (case.n[0] + case.n[-1]), calls=4)  # gathered
    return bill


def forward_and_back(bill: Bill, place: Place, *, summed: bool = True) -> None:
    """z, a, lam and the gradient of this rank's layers; summed: exactly over the tiles."""
    case, n = place.case, place.case.n
    for l in place.layers:
        bill.gemm(l, "apply", n[l], case.width(l), name=f"W{l} a{l - 1}")
        bill.gemm(l, "outer", n[l], case.width(l), name=f"lam{l} a{l - 1}^T")
        if summed:
            bill.fold(l, n[l] * case.width(l))
        if l in place.block.pulls:
            pull(bill, place, l)
        if l == case.L:
            bill.kernel(l, f"{case.loss} gradient", n[l])
        else:
            bill.kernel(l, f"{case.activation} value", n[l])
            bill.kernel(l, f"{case.activation} derivative", n[l])
            bill.passes(l, near=5 * n[l], calls=6)
    if place.shared[1]:
        pull(bill, place, place.layers.stop)


def pull(bill: Bill, place: Place, l: int) -> None:
    """W_l^T lam_l."""
    bill.gemm(l, "pull", place.case.n[l - 1], place.case.n[l], name=f"W{l}^T lam{l}")


def gradients(place: Place) -> int:
    """Words of 8 bytes that the sum of the gradients of this rank's layers sends."""
    case = place.case
    return sum(summed(place, case.n[l], case.width(l), patient=True) for l in place.layers)


def gradient_sum(bill: Bill, place: Place) -> None:
    """The one Allreduce of the gradients, in place."""
    bill.memory(place.layers[0], near=8 * place.case.weights, calls=8 + 3 * place.case.L)
    bill.sum(place.layers[0], 8 * gradients(place))


def gradient_memory(place: Place, vectors: int = 0) -> float:
    """Bytes of state, sums and data of a method that keeps `vectors` vectors of the size of the weights."""
    case = place.case
    whole = 0 if getattr(case.solver, "batch", 0) else case.width(1)  # of the inputs are operands all the time
    samples = place.columns * (data_rows(place) + rounded(place, whole))
    vectors += case.solver.sums in NARROW  # errors
    weights = case.weights * (case.item * (3 + vectors) + rounded(place, 4) + 3 * 8)
    return samples + weights + kept_passes(place)


def kept_passes(place: Place) -> float:
    """Bytes of the passes of a minibatch, which a rank keeps while sums travel."""
    case, solver = place.case, place.case.solver
    if place.samples == 1 or getattr(solver, "overlap", "never") == "never" or not getattr(solver, "batch", 0):
        return 0.0
    rows = sum(case.width(l) + 3 * case.n[l] for l in place.layers)
    return batch_bill(place).columns * (case.item * rows + rounded(place, rows))
