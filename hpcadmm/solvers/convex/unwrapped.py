"""Unwrapped ADMM with transpose reduction, for linear models with a convex loss and a penalty.

Goldstein, Taylor, Barabin, Sayre: Unwrapping ADMM: Efficient Distributed Computing via Transpose Reduction, AISTATS
2016. Boyd, Parikh, Chu, Peleato, Eckstein: Distributed Optimization and Statistical Learning via the Alternating
Direction Method of Multipliers, 2011, sections 3 and 6.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import OUTPUTS, WEIGHTS, Array, Arrays, columns, exact_sums, replicated, scalar
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.convex import cost, measures, path, spectral
from hpcadmm.solvers.convex.normal import FACTORED
from hpcadmm.solvers.convex.work import NUMBERS, Work
from hpcadmm.solvers.shared.convex import objective
from hpcadmm.solvers.shared.convex.rho import Adapt, look
from hpcadmm.solvers.shared.normal import check_squares
from hpcadmm.subproblems.norm import square


@dataclass
class State:
    """d inputs, the intercept's included; k outputs; n features."""

    W: Arrays = replicated(WEIGHTS)  # W[1]: (k, d), the model: V, and the intercepts of T
    T: Array = replicated()  # (k, d), the coefficients that meet the samples
    V: Array = replicated()  # (k, n), their copy in the penalty
    U: Array = replicated()  # (k, n), the scaled multiplier of T = V
    z: Array = columns(OUTPUTS)  # (k, m), the copy of T x in the loss; none for the squared loss
    u: Array = columns(OUTPUTS)  # (k, m), the scaled multiplier of T x = z
    zxT: Array = replicated()  # (k, d), (1/N) sum w z x^T
    uxT: Array = replicated()  # (k, d), (1/N) sum w u x^T
    kept: Arrays = columns()  # (k, m) each, with adapt = "spectral": see spectral.py
    kept_V: Arrays = replicated()  # (k, n) each
    sums: Any = exact_sums()  # of zxT and uxT
    rho: float = scalar(1.0)
    iterations: int = scalar(0)
    primal: float = scalar(0.0)  # |r| of the last iteration
    dual: float = scalar(0.0)  # |s|
    scale: float = scalar(0.0)  # what |r| is relative to
    dual_scale: float = scalar(0.0)
    work: Any = field(default=None, repr=False)


@dataclass
class PathState(path.Fits, State):
    """With a path."""


@dataclass(frozen=True)
class Unwrapped(Solver):
    """minimise (1/N) sum_i w_i l(z_i, y_i) + P(V) over W,   z_i = W x_i, V = W without the intercepts

    An iteration, with h(z) the loss and scaled multipliers u, U:
    T = argmin (1/N) sum w |T x - z + u|^2 + kappa |T - V + U|^2: one linear system of the same matrix;
    z_i = argmin l(z, y_i) + rho/2 |z - T x_i - u_i|^2 for each sample, V = argmin P(V) + rho kappa/2 |V - T - U|^2;
    u += T x - z, U += T - V. T enters the last two as alpha T + (1 - alpha) (z, V), its over-relaxation.
    kappa is the mean of the features' mean squares. One sum over the ranks an iteration, of z x^T and u x^T; the sum of
    x x^T is made once. For the squared loss (half of it) z is not split off: after x x^T and y x^T have been summed, an
    iteration needs no samples and no sum, and the matrix is factored again where rho changes. The penalty l2, or none,
    needs no V: the system of T contains it, and then changes with rho.

    rho: penalty parameter, > 0, with adapt = "none"; the other rules find one. Default 1.
    adapt: "none" keeps rho. "balanced" (default) and "spectral" begin, whatever rho is, where the first step of z
        halves the gradient of the loss; for the squared loss from the geometric mean of the eigenvalues of x x^T over
        kappa (1 with "cg"). Then "balanced" brings the primal and the dual residual, each relative to its variables, to
        the same size, and of the dual one counts what T can follow; "spectral" takes how far the multipliers have moved
        over how far z and V have (the geometric mean of both Barzilai-Borwein steps). Changes become rarer and smaller,
        and end after some dozens.
    alpha: over-relaxation, in [1, 1.8]. Default 1.6.
    factor: "cholesky" forms and factors x x^T, "cg" solves by products with the samples, one sum a step, from the last
        T; "auto": "cg" for more than 20,000 inputs. Default "auto".
    path: strengths of the penalty, a fit of each one, the largest first, each from the last: a list;
        "log:1:1e-3:50", 50 in geometric series from 1 to 1e-3; or "max:1e-3:50", from the least strength for which all
        coefficients are 0 to 1e-3 of it. The rules of [stop] end a fit, minutes the run. Default: none, one fit of
        penalty.strength.
    folds: parts of a cross-validation of the path: before the fits of all samples, those of the samples outside each
        part. The model is then that of the chosen strength, fitted once more. >= 2, default 0: none.
    choose: "best" (default), the strength with the least mean deviance of the parts; "one-se", the largest strength
        whose mean deviance is within one standard error of that.

    Residuals are of both splits together: r = (T x - z, T - V), norms weighted by w / N and kappa; s is rho times the
    change of z x^T / N + kappa V.

    Deviations from the paper: penalties other than none by a split of their own (the paper has the lasso by forward-
    backward steps inside); intercepts; over-relaxation and changing rho.
    """

    name: ClassVar[str] = "unwrapped"
    paper: ClassVar[str] = "Goldstein et al., AISTATS 2016"
    when: ClassVar[str] = "a linear model with a penalty (lasso, logistic, SVM, quantiles) to its minimum, certified"
    state_type: ClassVar[Any] = State
    most_layers: ClassVar[int] = 1
    weighted: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    penalised: ClassVar[bool] = True
    convex: ClassVar[bool] = True
    metrics: ClassVar[tuple[str, ...]] = ("objective", "primal_residual", "dual_residual", "duality_gap")

    rho: Annotated[float, Gt(0), Lt(np.inf)] = 1.0
    adapt: Adapt = "balanced"
    alpha: Annotated[float, Ge(1), Le(1.8)] = 1.6
    factor: Literal["auto", "cholesky", "cg"] = "auto"
    path: str | list[float] | None = None
    folds: Annotated[int, Ge(0)] = 0
    choose: Literal["best", "one-se"] = "best"

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration."""
        work, n, kappa, penalty = s.work, p.network.n[0], s.work.kappa, s.work.p.penalty
        before = work.second(s)
        s.T[...] = work.fit(s)
        j = look(self.spent(s, s.iterations) + 1, self.adapt)
        estimate = j > 0 and self.adapt == "spectral"
        if work.quadratic is None:
            copy = self.alpha * s.T[:, :n] + (1 - self.alpha) * s.V
            s.V[...] = penalty.prox(copy + s.U, 1 / (s.rho * kappa))
            s.U += copy - s.V
        else:
            s.V[...] = s.T[:, :n]
        numbers = work.split_samples(s, self.alpha, world, estimate) if work.split else np.zeros(NUMBERS)
        moved = work.second(s) - before
        self.find_residuals(s, p, numbers[:4], moved)
        s.W[1][:, :n], s.W[1][:, n:] = s.V, s.T[:, n:]
        s.iterations += 1
        if estimate:
            work.set_rho(s, work.spectral(s, numbers[4:], j))
        elif j:
            work.set_rho(s, work.balanced(s, moved, j))

    def find_residuals(self, s: State, p: Problem, squares: Array, moved: Array) -> None:
        """squares: (1/N) sum of w |T x - z|^2, w |T x|^2, w |z|^2, w |u|^2; moved: the change of z x^T / N and kappa
        V."""
        n, kappa = p.network.n[0], s.work.kappa
        T = s.T[:, :n]
        of_V = kappa * np.array([square(T - s.V), square(T), square(s.V), square(s.U)])
        r, size, other, multiplier = np.sqrt(squares + of_V)
        s.primal, s.scale = float(r), float(max(size, other))
        s.dual = s.rho * float(np.sqrt(square(moved)))
        s.dual_scale = s.rho * float(np.sqrt(kappa) * multiplier)

    def by_products(self, p: Problem) -> bool:
        """Is the system of T solved by conjugate gradients?"""
        return self.factor == "cg" or (self.factor == "auto" and p.network.shape(1)[1] > FACTORED)

    def check(self, L: int) -> None:
        path.check(self)

    def check_problem(self, p: Problem, world: World) -> None:
        """UsageError if folds lack samples, or the matrix of T does not fit the memory. Collective."""
        if self.folds > p.tiles.n:
            raise UsageError(f"solver.folds = {self.folds}: there are {p.tiles.n} training samples; use fewer folds")
        if not self.by_products(p):
            check_squares(p, world)

    def blank(self, p: Problem, world: World) -> State:
        (rows, columns), n = p.network.shape(1), p.network.n[0]
        work = Work(p, p.loss.name != "squared", self.by_products(p))
        T, zxT, uxT = (np.zeros((rows, columns)) for _ in range(3))
        V, U = (np.zeros((rows, n)) for _ in range(2))
        s: State = replace(super().blank(p, world), T=T, V=V, U=U, zxT=zxT, uxT=uxT, sums=work, rho=self.rho, work=work)
        if self.path:
            s = PathState(**vars(s), **path.blank(self, p))
        if self.adapt == "spectral":
            kept = [np.zeros_like(s.z) for _ in range(spectral.KEPT)] if work.split else []
            s = replace(s, kept=kept, kept_V=[np.zeros_like(V) for _ in range(spectral.KEPT)])
        return s if work.split else replace(s, z=None, u=None)  # type: ignore[arg-type]

    def start(self, s: State, p: Problem, world: World) -> None:
        """From 0."""

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """From given coefficients, with the multipliers of the loss there: at the minimum nothing moves. Collective."""
        super().set_weights(s, weights, p, world)
        s.T[...] = weights[1]
        s.V[...] = objective.coefficients(weights[1], p)
        self.prepare(s, p, world)
        s.work.begin(s, world)
        s.work.refer(s)

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Pose the problem of the present fit; sum x x^T and factor it."""
        if s.work.normal is None:
            if isinstance(s, PathState):
                path.set_strengths(self, s, p, world)
                s.work.p = path.posed(self, s, p, world)
            s.work.form(world)
            if self.adapt != "none" and not s.iterations:
                s.rho = s.work.first_rho(world)
                s.work.refer(s)

    def formed(self, s: State) -> dict[str, float]:
        names = ("primal_residual", "scale", "dual_residual", "dual_scale")
        return dict(zip(names, (s.primal, s.scale, s.dual, s.dual_scale), strict=True))

    def rehearsed(self) -> "Unwrapped":
        return replace(super().rehearsed(), path=None, folds=0)

    def spent(self, s: State, iteration: int) -> int:
        """Iterations of the present fit."""
        return s.iterations - s.began if isinstance(s, PathState) else iteration

    def advance(self, s: State, p: Problem, world: World) -> bool:
        """The next fit of the path: from the last iterate, whose multipliers of the penalty grow or shrink with its
        strength; with other samples from 0; the chosen one from its model."""
        if not isinstance(s, PathState):
            return False
        path.record(self, s, p, world)
        s.began = s.iterations
        if s.fit == path.count(self, s) - 1:
            return False
        fold, strength = path.place(self, s)[0], s.work.p.penalty.strength
        s.fit += 1
        s.work.p = path.posed(self, s, p, world)
        if path.place(self, s)[0] != fold:
            s.work.form(world)
            self.set_weights(s, [None, np.zeros_like(s.W[1])], p, world)
        elif self.folds and s.fit == path.count(self, s) - 1:
            self.set_weights(s, [None, s.found[path.chosen(self, s)].astype(p.dtype)], p, world)
        elif strength:
            s.U *= s.work.p.penalty.strength / strength
        return True

    def finite(self, s: State) -> bool:
        return super().finite(s) and bool(np.isfinite(s.primal + s.dual))

    def objective(self, s: State, p: Problem, world: World) -> float:
        return objective.objective(s.W[1], p, world)

    measure = measures.measure
    bill = cost.bill
    held_bytes = cost.memory
