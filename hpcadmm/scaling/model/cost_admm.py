"""The bills of Taylor's and dlADMM's iterations, which deal samples to the ranks."""

from hpcadmm.comm.exact import words
from hpcadmm.scaling.model.case import Place
from hpcadmm.scaling.model.ops import Bill


def triangle(n: int) -> int:
    """Entries of the half of a symmetric matrix that travels."""
    return n * (n + 1) // 2


def taylor(place: Place) -> Bill:
    """Of a sweep, as `solvers/taylor.py` goes through the layers."""
    case, n, L = place.case, place.case.n, place.case.L
    bill = Bill(place.columns, place.calls, case.item)
    for l in range(1, L + 1):
        fit_weights(bill, l, n[l], case.width(l), factor=l > 1)
        bill.gemm(l, "apply", n[l], case.width(l))
        if l == L:
            bill.kernel(l, f"{case.loss} prox", n[L])
            bill.passes(l, far=2 * n[L], near=4 * n[L] if case.solver.warm is not None else 0, calls=6)
        else:
            fit_activation(bill, l, n[l + 1], n[l], case.width(l + 1))
            bill.kernel(l, f"{case.activation} value", n[l])
            bill.kernel(l, f"{case.activation} prox", n[l])
            bill.passes(l, far=3 * n[l], near=3 * n[l], calls=8)
        taylor_sums(bill, place, l)
    return bill


def taylor_sums(bill: Bill, place: Place, l: int) -> None:
    """z a^T and a a^T that the pass over layer l makes, and their one message."""
    case, n, size = place.case, place.case.n, 0
    if l < case.L:
        rows, columns = n[l + 1], case.width(l + 1)
        bill.gemm(l + 1, "outer", rows, columns)
        bill.gemm(l + 1, "gram", columns, columns)
        bill.fold(l + 1, rows * columns)
        bill.fold(l + 1, triangle(columns))
        size = summed(place, rows, columns) + summed(place, columns)
    if l == 1:
        bill.gemm(1, "outer", n[1], case.width(1))
        bill.fold(1, n[1] * case.width(1))
        size += summed(place, n[1], case.width(1))
    if size:
        bill.memory(l, far=3 * 8 * size, calls=10)
        bill.sum(l, 8 * size)


def summed(place: Place, rows: int, columns: int = 0, patient: bool = False) -> int:
    """Numbers that an exact sum (rows, columns) over the tiles sends, or a symmetric one of so many rows."""
    plain = getattr(place.case.solver, "sums", "exact") == "plain"
    entries = rows * columns if columns else triangle(rows)
    return words(place.case.precision, plain=plain, patient=patient) * entries + rows + columns


def fit_weights(bill: Bill, l: int, rows: int, columns: int, factor: bool) -> None:
    """W from its normal equations, in float64."""
    if factor:
        bill.dense(l, "cholesky", columns)
    bill.dense(l, "solve", columns, rows, times=2)


def fit_activation(bill: Bill, l: int, above: int, units: int, width: int) -> None:
    """The small matrix of an a step, and the step in the cheaper of its two forms."""
    least = min(above, units)
    bill.dense(l, "square", least, max(above, units))
    bill.dense(l, "cholesky", least)
    bill.dense(l, "solve", least, units, times=2)
    if above >= units:
        bill.gemm(l, "pull", units, above)
        bill.gemm(l, "apply", units, units)
    else:
        bill.gemm(l, "apply", above, width)
        bill.gemm(l, "apply", units, above)
        bill.passes(l, near=3 * above + 3 * units, calls=2)


def dladmm(place: Place) -> Bill:
    """Of an iteration: every layer's W, b and z backward and forward, its a twice, as `solvers/dladmm.py`."""
    case, L = place.case, place.case.L
    bill = Bill(place.columns, place.calls, case.item)
    for l in range(1, L + 1):
        for _ in range(2):
            dladmm_weights(bill, place, l)
            if case.bias:
                bill.passes(l, far=4 * case.n[l], near=4 * case.n[l], calls=8)
                bill.sum(l, 8 * place.tiles * case.n[l])
            bill.kernel(l, f"{case.activation if l < L else case.loss} prox", case.n[l])
            bill.passes(l, far=5 * case.n[l], near=6 * case.n[l], calls=8)
            if l < L:
                dladmm_activations(bill, place, l)
    bill.passes(L, near=4 * case.n[L])
    return bill


def dladmm_weights(bill: Bill, place: Place, l: int) -> None:
    """D = F a^T, V = D a, r -= alpha V."""
    rows, columns = place.case.n[l], place.case.n[l - 1]
    bill.gemm(l, "outer", rows, columns)
    bill.gemm(l, "apply", rows, columns)
    bill.fold(l, rows * columns)
    bill.passes(l, far=6 * rows, near=4 * rows, calls=14)
    bill.memory(l, near=6 * 8 * rows * columns, calls=10)
    bill.sum(l, 8 * summed(place, rows, columns))
    bill.sum(l, 8 * place.tiles)


def dladmm_activations(bill: Bill, place: Place, l: int) -> None:
    """g = nu (a - f(z)) - W^T F, V = W g, then a and r."""
    case, (units, above) = place.case, place.case.n[l : l + 2]
    bill.gemm(l + 1, "pull", units, above)
    bill.gemm(l + 1, "apply", above, units)
    bill.kernel(l, f"{case.activation} value", units)
    bill.passes(l, far=7 * units + 6 * above, near=8 * units + 3 * above, calls=20)
    bill.sum(l, 8 * 2 * place.tiles)


def taylor_memory(place: Place) -> float:
    """Bytes of state and data."""
    case, n = place.case, place.case.n
    rows = sum(n[1:-1]) + (case.L - 1) * case.bias + sum(n[1:]) + n[-1]
    return place.columns * (case.item * rows + data_rows(place)) + case.weights * case.item + 8 * n[1] * case.width(1)


def dladmm_memory(place: Place) -> float:
    """Bytes of state and data."""
    case, n = place.case, place.case.n
    rows = sum(n[1:-1]) + (case.L - 1) * case.bias + 2 * sum(n[1:]) + n[-1]
    return place.columns * (case.item * rows + data_rows(place)) + case.weights * case.item


def data_rows(place: Place) -> float:
    """Bytes of a sample: x with its row of ones, y, its label."""
    case = place.case
    return case.item * (case.n[0] + case.bias + case.n[-1]) + 8
