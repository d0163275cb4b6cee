"""How fast do the steps of dlADMM and pdADMM shrink? python rates.py OUT JOB [TABLE.KEY=VALUE...].

The theorems say that c_k, the smallest of the first k sums of squared steps, is o(1/k):

    dladmm: |W_l' - W_l|^2 + |b_l' - b_l|^2, |a_l' - a_l|^2 for l < L and |z_L' - z_L|^2, of backward and forward steps;
    pdadmm: theta_l/2 |W_l' - W_l|^2 + nu/2 |b_l' - b_l|^2 + tau_l/2 |p_l' - p_l|^2 for l > 1, nu/2 |z_L' - z_L|^2, and
            C_1 |z_l' - z_l|^2 + C_2 |q_l' - q_l|^2 for l < L, with C_1 = nu/2 - 2 nu^2 S^2/rho, S = 1 (relu), and C_2 =
            rho/2 - 2 nu^2/rho - nu/2; 1/theta_l and 1/tau_l are the lengths of the steps along the gradients.

The program's loop runs the solver on one rank; its block steps are replaced by ones that add up how far they go. OUT:
c_k and the Lagrangian at about 100 iterations evenly in log k, CSV.
"""

import math
import sys
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
from tables import write

import hpcadmm
from hpcadmm.comm.world import World
from hpcadmm.job.job import read
from hpcadmm.solvers.dladmm import dladmm
from hpcadmm.solvers.pdadmm.updates import UPDATES, Quadratic
from hpcadmm.subproblems.norm import square

AT = (10, 30, 100, 300, 1000, 3000, 10000)  # iterations in any table
MOVED = [0.0]  # the sum of this iteration


@contextmanager
def counted(array, factor=lambda: 1.0):
    """Add the squared change of an array, times a factor that is known afterwards."""
    before = array.copy(order="F")
    yield
    MOVED[0] += factor() * square(np.subtract(array, before, order="F"))


class Blocks(dladmm.Blocks):
    """dlADMM's steps."""

    def W(self, l):
        with counted(self.s.W[l]):
            super().W(l)

    def b(self, l):
        with counted(self.s.W[l]):
            super().b(l)

    def a(self, l):
        with counted(self.s.a[l]):
            super().a(l)

    def z(self, l):
        with counted(self.s.z[l], lambda: float(l == self.p.network.depth)):
            super().z(l)


class Steps(Quadratic):
    """pdADMM's steps."""

    def p(self, l):
        with counted(self.s.p[l], lambda: 0.5 / self.length):
            super().p(l)

    def W_and_b(self, l):
        W, n, nu = self.s.W[l], self.n[l - 1], self.s.nu
        with counted(W[:, n:], lambda: nu / 2), counted(W[:, :n], lambda: 0.5 / self.length):
            super().W_and_b(l)

    def z_q_and_u(self, l):
        nu, rho, last = self.s.nu, self.s.rho, l == self.problem.network.depth
        of_z, of_q = nu / 2 - (0.0 if last else 2 * nu**2 / rho), rho / 2 - 2 * nu**2 / rho - nu / 2
        with counted(self.s.z[l], lambda: of_z), nullcontext() if last else counted(self.s.q[l], lambda: of_q):
            super().z_q_and_u(l)

    def _length(self, theta, l, norm, bend):
        self.length = super()._length(theta, l, norm, bend) or math.inf
        return 0.0 if self.length == math.inf else self.length


class Rates(hpcadmm.Callback):
    """Collects c_k; every iteration is measured."""

    def __init__(self):
        self.c, self.rows = math.inf, []

    def row(self, run, row):
        self.c, MOVED[0] = min(self.c, MOVED[0]), 0.0
        self.rows.append({"k": row["iteration"], "c_k": self.c, "k_c_k": row["iteration"] * self.c})
        self.rows[-1] |= {"lagrangian": row["objective"], "residual": row["primal_residual"]}


def main():
    out, job, *sets = sys.argv[1:]
    made, rates = read(Path(job), [*sets, "evaluate.every=1"], World.alone()), Rates()
    dladmm.Blocks, UPDATES["quadratic"] = Blocks, Steps
    hpcadmm.train(made, callbacks=[rates])
    values = [row["lagrangian"] for row in rates.rows]
    print(made.solver.name, "rises:", sum(b - a > 1e-12 * abs(a) for a, b in pairwise(values)))
    spread = np.round(np.geomspace(1, len(rates.rows), 100)).astype(int)
    chosen = sorted({*spread.tolist(), *(k for k in AT if k <= len(rates.rows))})
    write(out, [{key: f"{value:.6g}" for key, value in rates.rows[k - 1].items()} for k in chosen])


if __name__ == "__main__":
    main()
