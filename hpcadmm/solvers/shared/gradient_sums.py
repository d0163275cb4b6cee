"""Sums over samples and ranks of what a forward and a backward pass leave at each layer."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import ClassVar

import numpy as np

from hpcadmm.comm.exact.pieces import Pieces
from hpcadmm.comm.exact.scales import half
from hpcadmm.comm.exact.sums import Exact, first_grid
from hpcadmm.comm.exact.vectors import carried, side_by_side
from hpcadmm.comm.wire.narrow import NARROW
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.weighted import Weight
from hpcadmm.solvers.shared.buckets import Bucket, OuterSum, Overlap, in_buckets, overlaps
from hpcadmm.solvers.shared.cuts import MOST, CutBucket, cut_alike
from hpcadmm.solvers.shared.late_sums import LATE, LateSums
from hpcadmm.solvers.shared.narrow_sums import NarrowSums, SumsName
from hpcadmm.subproblems.passes import Passes

# This rank's x, y, w of a batch, and if the network has noise the keys of the samples; may be called twice.
Parts = Callable[[], Iterable[tuple[Array, Array, Weight] | tuple[Array, Array, Weight, Array]]]
LEAST = 1 << 18  # bytes of a message that is worth a bucket of its own


class GradientSums:
    """Float64 sums over the samples of all ranks, the same bits on any number of ranks, for each layer l:

    gradient[l]: lam_l a_{l-1}^T, the gradient of the weighted sum of the loss by W_l
    aaT[l], llT[l]: w a_{l-1} a_{l-1}^T and w g_l g_l^T, g_l = lam_l / w a sample's own; only with `curvature`

    count: parts of a batch over all ranks
    sums: as the key of the solvers; all others than "exact" are ordinary float64 sums, whose bits depend on the ranks
    late: those of layer 1 are those of the step before, and travel while a step works; 0 in the first step
    layers: the layers of this rank; default all
    overlap: sums travel while later products are formed, from layer L down; then a rank keeps the passes of all its
        parts. "auto": between nodes, in messages of 256 KiB or more; "always": between ranks, each sum by itself;
        "never": in one message at the end. No bit depends on it.
    scales: what the exact sums carry from step to step, by layer; a checkpoint keeps it
    errors: what this rank has not sent of its gradients, by layer; so does it this; empty unless sums are narrow
    """

    cuts: ClassVar[bool] = True  # are all parts added after the passes, so that large gradients can travel in blocks?

    def __init__(
        self,
        p: Problem,
        count: int,
        *,
        curvature: bool = False,
        sums: SumsName = "exact",
        late: bool = False,
        layers: Sequence[int] | None = None,
        overlap: Overlap = "never",
    ) -> None:
        L, shape, self.exact = p.network.depth, p.network.shape, sums == "exact"
        self.layers = layers or range(1, L + 1)
        self.p, self.overlap = p, overlap
        self.passes = self._new_passes()
        self.samples, self._grown = p.total, p.network.grown
        self._data: Array | None = p.x if 1 in self.layers and self.exact else None  # until the scales of a_0 are given
        self.gradient: Arrays = [None] * (L + 1)
        self.aaT, self.llT = self.gradient.copy(), self.gradient.copy()
        self._gradients, self._inputs, self._outputs = (dict[int, OuterSum]() for _ in range(3))

        def outer(
            l: int, product: Callable[[Passes, int, Array], Array], rows: int, columns: int | None = None
        ) -> OuterSum:
            shape, grid = (rows, columns or rows), first_grid(p.tiles.n)
            total = Exact(shape, p.dtype, count, grid, not self.exact, symmetric=columns is None, patient=True)
            return OuterSum(l, total, partial(_product, product, l))

        for l in self.layers:
            rows, columns = shape(l)
            self._gradients[l] = outer(l, Passes.gradient, rows, columns)
            self.gradient[l] = self._gradients[l].total
            if curvature:
                self._inputs[l], self._outputs[l] = outer(l, Passes.inputs, columns), outer(l, Passes.outputs, rows)
                self.aaT[l], self.llT[l] = self._inputs[l].total, self._outputs[l].total
        self._narrow = NarrowSums(sums, self._gradients, L, p.dtype) if sums in NARROW else None
        self.errors: Arrays = self._narrow.errors if self._narrow else []
        self.scales: Arrays = [None, *(self._carried(l, (1 + curvature) * sum(shape(l))) for l in range(1, L + 1))]
        self.landed = False  # have late sums arrived in this step?
        self._late = self._late_sums() if late and LATE in self.layers else None
        ordered = [outer.total for l, outer in reversed(self._gradients.items()) if not (self._late and l == LATE)]
        self._message = side_by_side(ordered)
        self._passes: list[Passes] = []  # of each part, which last until the next batch
        self._every: list[Passes] = []  # those of this batch
        self._least: float = math.inf
        self._pieces: dict[int, Pieces] = {}  # of the gradients that are cut
        self._made: dict[tuple[bool, bool], list[Bucket]] = {}

    def _new_passes(self, *, keep: bool = False) -> Passes:
        p = self.p
        return Passes(p.network, p.loss, p.dtype, p.engines, self.layers, keep=keep)

    def _carried(self, l: int, lines: int) -> Array:
        """The scales of the sums of layer l; for a layer of another rank, zeros of the same size."""
        mine = [kind[l] for kind in (self.gradient, self.aaT, self.llT) if kind[l] is not None]
        return carried(mine) if mine else np.zeros(lines, dtype=np.int64)

    def _late_sums(self) -> LateSums:
        kinds = (self.gradient, self._gradients), (self.aaT, self._inputs), (self.llT, self._outputs)
        return LateSums([(kind, outers[LATE]) for kind, outers in kinds if outers], self._narrow)

    def settle(self, W: Arrays, parts: Parts, world: World, *, fresh: bool, factors: bool = False) -> None:
        """Call before the first iteration of a session. A `fresh` run finds its first scales by one sum whose result
        is not used, so that no iteration repeats its sum. Collective."""
        self._give_scales(world.samples)
        if overlaps(self.overlap, world.samples):
            self._least = 1 if self.overlap == "always" else LEAST
            self._pieces = self._cut(parts, world.samples) if self.cuts else {}
            self._made.clear()
        for bucket in self._begun(W, parts, world, factors, True) if fresh and self.exact else ():
            self._finish(bucket, W, parts, world)

    def _cut(self, parts: Parts, world: World) -> dict[int, Pieces]:
        """The blocks of the gradients that are large enough, where that changes no bit on any rank. Collective."""
        found, samples = {}, {max(x.shape[1] - less, 0) for x, *_ in parts() for less in (0, 1)}
        for l in self.layers:
            total = self.gradient[l]
            count = min(MOST, 8 * total.length // self._least)
            if count > 1 and total.words == 1 and not total.plain and not (self._late and l == LATE):
                found[l] = Pieces(total, count)
        alike = [float(cut_alike(self.p, l, pieces.blocks, samples)) for l, pieces in found.items()]
        agreed = world.min(np.array(alike))[0]
        return {l: pieces for (l, pieces), same in zip(found.items(), agreed, strict=True) if same}

    def sum(self, W: Arrays, parts: Parts, world: World, *, factors: bool = False, inputs: bool = True) -> None:
        """Fill `gradient[l].total`; with `factors` also aaT and llT, but aaT[1] only with `inputs`. Collective."""
        for _ in self.arriving(W, parts, world, factors=factors, inputs=inputs):
            pass

    def arriving(
        self, W: Arrays, parts: Parts, world: World, *, factors: bool = False, inputs: bool = True
    ) -> Iterator[int]:
        """The same; yields each layer, a late one first, then from L down, once its sums are complete. Others may
        travel meanwhile, and W_l of a layer that was yielded may change. Collective, to the end of the iterator."""
        buckets = self._begun(W, parts, world, factors, inputs)
        if self._late:
            self.landed = self.land()
            yield LATE
        for bucket in buckets:
            self._finish(bucket, W, parts, world)
            if self._late and bucket is buckets[-1]:  # all bounds are checked
                self._late.depart(world.samples, self._outers(LATE, factors, inputs))
            yield from (l for l in bucket.completes if l != LATE or not self._late)

    def land(self) -> bool:
        """Complete the late sums that travel; were there any? Collective."""
        return self._late is not None and self._late.land()

    def _begun(self, W: Arrays, parts: Parts, world: World, factors: bool, inputs: bool) -> list[Bucket]:
        """The sums of a step, with all products of this rank; they travel, or wait for `_finish`."""
        self._give_scales(world.samples)
        buckets = self._buckets(factors, inputs)
        for bucket in buckets:
            bucket.clear()
        self.run(W, parts, buckets, world)
        return buckets

    def _finish(self, bucket: Bucket, W: Arrays, parts: Parts, world: World) -> None:
        bucket.finish(world.samples, partial(self._again, bucket, W, parts, world))

    def _buckets(self, factors: bool, inputs: bool) -> list[Bucket]:
        """The sums of a sweep, in the order in which they are complete."""
        key = factors, inputs
        if key not in self._made:
            outers = [outer for l in reversed(self.layers) for outer in self._outers(l, factors, inputs)]
            self._made[key] = [self._placed(bucket) for bucket in in_buckets(outers, self._least, self._narrow)]
        return self._made[key]

    def _placed(self, bucket: Bucket) -> Bucket:
        """The bucket with its message, if it has whole gradients only; cut, if it is one that can be."""
        layers = [outer.layer for outer in bucket.outers if outer is self._gradients[outer.layer]]
        if len(layers) < len(bucket.outers) or (self._late and LATE in layers):
            return bucket
        starts = np.cumsum([0, *(self.gradient[l].length for l in reversed(self.layers))])
        first, last = (self.layers[-1] - l for l in (layers[0], layers[-1]))
        bucket.message = self._message[starts[first] : starts[last + 1]]
        if len(layers) == 1 and layers[0] in self._pieces:
            return CutBucket(**vars(bucket), pieces=self._pieces[layers[0]])
        return bucket

    def _outers(self, l: int, factors: bool, inputs: bool) -> list[OuterSum]:
        """The sums of layer l."""
        if not factors:
            return [self._gradients[l]]
        return [self._gradients[l], self._outputs[l], *([self._inputs[l]] if l > 1 or inputs else [])]

    def curvature(self, inputs: bool) -> list[OuterSum]:
        """aaT and llT, but aaT[1] only with `inputs`."""
        return [outer for l in self.layers for outer in self._outers(l, True, inputs)[1:]]

    def _give_scales(self, world: World) -> None:
        """Bound a_0, which is the data, for every batch at once: a rare feature then exceeds no bound. Collective the
        first time."""
        if self._data is None:
            return
        low, high = self._data.min(axis=1, initial=0), self._data.max(axis=1, initial=0)
        largest = np.frexp(self._grown(world.max(np.maximum(-low, high))[0]))[1].astype(np.int64)
        for total in (self._gradients[1].total, self.gradient[1]):
            total.give(largest)
        for total in (self._inputs[1].total, self.aaT[1]) if self._inputs else ():
            total.give(largest + half(math.frexp(self.samples)[1]) + 1)
        self._data = None

    def run(self, W: Arrays, parts: Parts, buckets: Sequence[Bucket], world: World) -> None:
        """Pass each part forward and backward and add its products to the buckets. If there are several, start each as
        soon as it has its last product."""
        W = self.passes.weights(W)
        if len(buckets) == 1:
            for part in parts():
                buckets[0].add([pass_through(self.passes, W, *part)], world)
            return
        self._every = [pass_through(self._kept(j), W, *part) for j, part in enumerate(parts())]
        for bucket in buckets:
            bucket.depart(self._every, world)

    def _kept(self, j: int) -> Passes:
        """The passes of part j of every batch."""
        if j == len(self._passes):
            self._passes.append(self._new_passes(keep=True))
        return self._passes[j]

    def _again(self, bucket: Bucket, W: Arrays, parts: Parts, world: World) -> None:
        """Add the products of one bucket once more: of the passes that were kept, or of new ones."""
        bucket.clear()
        if self._every:
            bucket.add(self._every, world)
        else:
            self.run(W, parts, [bucket], world)


def pass_through(passes: Passes, W: Arrays, x: Array, y: Array, w: Weight, *keys: Array) -> Passes:
    """A part forward and backward."""
    passes.forward(W, x, *keys)
    passes.backward(W, y, w)
    return passes


def _product(of: Callable[[Passes, int, Array], Array], l: int, passes: Passes, out: Array) -> Array:
    return of(passes, l, out)
