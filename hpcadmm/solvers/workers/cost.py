"""The bills of the solvers with workers, and what a rank holds."""

import math
from typing import Any

from hpcadmm.comm.wire.quantizer import message_bytes
from hpcadmm.model.graph import Graph
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.cost import data_rows, forward_and_back, gradient_sum, gradients, summed
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.solvers.workers.local import memory_of
from hpcadmm.solvers.workers.neighbours import ALL, HEADS, TAILS, mask_bytes, routes
from hpcadmm.solvers.workers.server import taking_part

CODE = 60  # bytes in cache that take as long as drawing, quantizing and packing an entry
NEWTON = 200  # products with a worker's samples in a mean step of the cross entropy; measured on digits: 130 to 440
PERIODS = 1000  # iterations, at most, that a mean of messages is taken over


def gadmm(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """The local step of each worker, vectors, and a message to each rank that holds a neighbour.

    An upper bound with `censor` (as if every worker sent). With adaptive bits every message is billed with the `bits`
    that the workers start with. The place without a rank is billed the messages of the rank that sends most.
    """
    bill = exact_steps(place) if solver.exact(place.case.L, place.case.loss) else minibatch_steps(place)
    bill.memory(1, near=16 * place.calls * place.case.weights * place.case.item, calls=45)
    count, size = sent(place, iteration)
    if count:
        bill.send(1, size / count, count, group="samples")
    return bill


def exact_steps(place: Place) -> Bill:
    """Least squares: the inverse of each worker times its right sides, in float64. Cross entropy: how many products
    Newton's method takes depends on the data; one is necessary, a mean step has NEWTON, billed by the time they take
    on digits, that of reading outputs/2 times the samples."""
    case = place.case
    features, outputs = case.width(1), case.n[1]
    if case.loss == "squared":
        bill = Bill(place.calls * outputs, place.calls, 8)
        bill.gemm(1, "apply", features, features, name="inverse")
        return bill
    bill = Bill(place.columns, place.calls, case.item)
    bill.gemm(1, "apply", outputs, features, name="W1 a0")
    bill.passes(1, near=NEWTON * 8 / case.item * features * outputs / 2, calls=6 * NEWTON)
    return bill


def minibatch_steps(place: Place) -> Bill:
    """Passes over a minibatch of each worker in each local step; of a mean minibatch of an epoch."""
    case, solver = place.case, place.case.solver
    steps, minibatches = solver.local_steps * share(solver), epoch(solver, case.samples)
    bill = Bill(steps * place.columns / minibatches, steps * place.calls, case.item)
    bill.passes(1, far=2 * (case.n[0] + case.n[-1]), calls=4)
    forward_and_back(bill, place, summed=False)
    bill.memory(1, near=8 * case.weights * case.item * bill.calls, calls=12 * bill.calls)
    if solver.local == "mpadmm":
        penalties(bill, place)
    return bill


def penalties(bill: Bill, place: Place) -> None:
    """P and Q of each worker once a round, and Q C P in each step."""
    case, n, once = place.case, place.case.n, 1 / place.case.solver.local_steps
    rounds = bill.calls * once
    for l in place.layers:
        for x, size in ((f"a{l - 1}", case.width(l)), (f"lam{l}", n[l])):
            bill.gemm(l, "gram", size, size, once, f"{x} {x}^T")
            bill.dense(l, "inverse", size, times=rounds, name=f"({x} {x}^T)^-1")
            bill.memory(l, far=rounds * size * size * 4 * case.item, calls=20 * rounds)
        step = Bill(case.width(l) * bill.calls, bill.calls, case.item)
        step.gemm(l, "apply", n[l], case.width(l), name=f"C{l} P{l}")
        step.gemm(l, "apply", n[l], n[l], name=f"Q{l} C{l}")
        bill.ops += step.ops
        bill.memory(l, far=bill.calls * n[l] * case.width(l) * 5 * case.item, calls=10 * bill.calls)


def epoch(solver: Any, m: int) -> int:
    """The steps of Adam in which all workers have passed through their samples once."""
    return max(1, -(-m // (solver.batch * solver.workers)))


def share(solver: Any) -> float:
    """The share of the workers that take part in an iteration."""
    return taking_part(getattr(solver, "participate", 1), solver.workers) / solver.workers


def samples(solver: Any, m: int, L: int, loss: str) -> int:
    """All m by exact steps; by those of Adam a minibatch of each worker in each step, in the mean of an epoch."""
    return m if solver.exact(L, loss) else int(share(solver) * solver.local_steps * m // epoch(solver, m))


def gradient_samples(solver: Any, m: int) -> int:
    """Samples that the gradients of an iteration use: all m, or a minibatch of each worker, in the mean of an epoch."""
    return m // epoch(solver, m) if solver.batch else m


def sent(place: Place, iteration: int | None) -> tuple[float, float]:
    """Messages and bytes of a rank in an iteration, or in a mean one; of the rank that sends most if none is given."""
    solver, case = place.case.solver, place.case
    sizes = [solver.layer_bytes(case.n[l] * case.width(l), case.item) for l in range(1, case.L + 1)]
    periods, graph = solver.periods or [1] * case.L, solver.graph
    cycle = [iteration] if iteration is not None else range(min(math.lcm(*periods), PERIODS))
    each = [sum(size for size, period in zip(sizes, periods, strict=True) if k % period == 0) for k in cycle]
    busy, mean = sum(size > 0 for size in each) / len(cycle), sum(each) / len(cycle)
    most = told(place, graph, HEADS, TAILS)
    masks = sum(map(mask_bytes, most)) if solver.censor else 0
    return busy * len(most), busy * masks + mean * sum(map(len, most))


def told(place: Place, graph: Graph, *groups: int) -> list[list[int]]:
    """The workers of each message of a rank, group by group; of the rank that tells most if none is given."""
    ranks = range(place.samples) if place.column is None else [place.column]
    sent = [[routes(graph, place.samples, rank, group)[0] for group in groups] for rank in ranks]
    each = [[some for of_group in of_rank for some in of_group.values()] for of_rank in sent]
    return max(each, key=lambda of_rank: sum(map(len, of_rank)))


def gossip(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """A pass over all samples as of `gd`, or over a minibatch of each worker; vectors, and a message to each rank that
    holds a neighbour."""
    case = place.case
    size = solver.vectors * case.weights * case.item
    bill = own_passes(solver, place)
    bill.memory(1, near=16 * place.calls * size, calls=30)
    most = told(place, solver.graph, ALL)
    if most:
        bill.send(1, size * sum(map(len, most)) / len(most), len(most), group="samples")
    return bill


def consensus(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """The local step of each worker, as of `gadmm`, and the one Allreduce of the models."""
    case, d = place.case, place.case.weights
    exact = case.penalised or solver.exact(case.L, case.loss)
    bill = exact_steps(place) if exact else minibatch_steps(place)
    vectors = solver.vectors(exact)
    bill.fold(1, d, vectors * place.calls / bill.calls if bill.calls else 0.0)
    bill.memory(1, near=vectors * (12 * place.calls * d * case.item + 30 * d), calls=20 + 3 * place.calls)
    if exact:
        bill.sum(1, 8 * summed(place, d, 1))
    else:
        squares = sum(summed(place, case.n[l], case.width(l)) for l in place.layers)
        bill.sum(1, 8 * (gradients(place) if vectors == 1 else 2 * gradients(place) + squares))
    return bill


def gd(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """A pass over all samples, each worker's in pieces of 1024 columns at most, and the one Allreduce."""
    bill = whole_passes(place, summed=True)
    gradient_sum(bill, place)
    bill.memory(1, near=8 * 8 * place.case.weights, calls=10 * place.case.L)
    return bill


def qgd(solver: Any, place: Place, iteration: int | None = None) -> Bill:
    """A pass as of `gd`; all uploads travel to all ranks. With adaptive bits they are billed with the `bits` that the
    workers start with."""
    if solver.workers == 1:
        return gd(solver, place)
    case, d, mine = place.case, place.case.weights, place.calls
    bill = own_passes(solver, place)
    bill.memory(1, near=d * (24 * bill.calls + CODE * (mine + solver.workers) + 64), calls=10 * case.L * (mine + 2))
    one = sum(int(message_bytes(solver.bits, case.n[l] * case.width(l))) for l in range(1, case.L + 1))
    bill.gather(1, mine * one + 8 * (solver.adaptive == "adaptive"))
    return bill


def own_passes(solver: Any, place: Place) -> Bill:
    """Forward and back over the samples of each worker, or over a minibatch of each, in the mean of an epoch."""
    return whole_passes(place, summed=False, share=1 / epoch(solver, place.case.samples) if solver.batch else 1.0)


def whole_passes(place: Place, *, summed: bool, share: float = 1.0) -> Bill:
    """Forward and back over all samples, or over this share of them."""
    columns = share * place.columns
    pieces = place.calls * -(-max(1.0, columns / max(place.calls, 1)) // 1024)
    bill = Bill(columns, pieces, place.case.item)
    forward_and_back(bill, place, summed=summed)
    return bill


def memory(solver: Any, place: Place) -> float:
    """Bytes of data, of the workers' vectors, and of their local problems in float64."""
    case, workers = place.case, place.calls
    features, outputs = case.width(1), case.n[-1]
    held = place.columns * data_rows(place) + 6 * workers * case.weights * case.item
    if getattr(solver, "local", None) == "mpadmm":
        return held + workers * memory_of("mpadmm", case.network)[0] * case.item
    if case.L > 1:
        return held
    if case.loss == "squared":
        return held + 8 * workers * ((features + outputs) ** 2 + features**2 + features * outputs)
    return held + 8 * place.columns * (features + outputs) * (case.item < 8)
