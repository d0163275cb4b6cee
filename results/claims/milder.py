"""Does pdADMM's Lagrangian fall for every activation and loss? python milder.py OUT JOB [TABLE.KEY=VALUE...].

For each activation and loss two runs of the job: rho 5 % above max(4 nu S^2, (sqrt(17) + 1) nu / 2), the theory's bound
with S the Lipschitz constant of the activation, and rho = nu, as in the paper's runs. OUT: a line of CSV for each. A
rise is a Lagrangian more than 1e-12 of its value above that of the iteration before.
"""

import sys
from itertools import pairwise
from pathlib import Path

from tables import write

import hpcadmm
from hpcadmm.comm.world import World
from hpcadmm.job.job import read

ACTIVATIONS = {"relu": 1.0, "leaky-relu": 1.0, "sigmoid": 0.25, "tanh": 1.0}  # S
LOSSES = ("cross-entropy", "squared", "hinge")


class Start(hpcadmm.Callback):
    """Keeps what is measured before the first iteration."""

    def start(self, run):
        self.first = run.job.solver.measure(run.state, run.problem, run.world)


def bound(nu, S):
    """The theory's least rho."""
    return max(4 * nu * S**2, (17**0.5 + 1) * nu / 2)


def figures(job, sets, activation, loss, rho):
    """What a run shows."""
    chosen = [f"network.activation={activation}", f"loss.name={loss}", f"solver.rho={rho!r}", "evaluate.every=1"]
    start = Start()
    rows = hpcadmm.train(read(job, [*sets, *chosen], World.alone()), callbacks=[start]).metrics
    objective, residual = ([row[key] for row in (start.first, *rows)] for key in ("objective", "primal_residual"))
    return {
        "rises": sum(b - a > 1e-12 * abs(a) for a, b in pairwise(objective)),
        "largest_rise": f"{max(0.0, *((b - a) / abs(a) for a, b in pairwise(objective))):.1e}",
        "first": f"{objective[0]:.6g}",
        "last": f"{objective[-1]:.6g}",
        "largest_residual": f"{max(residual):.3g}",
        "last_residual": f"{residual[-1]:.3g}",
        "iterations": len(rows),
        "test_accuracy": rows[-1]["test_accuracy"],
    }


def main():
    out, job, sets = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    nu, table = read(job, sets, World.alone()).solver.nu, []
    for activation, S in ACTIVATIONS.items():
        for loss in LOSSES:
            for rule, rho in (("theory", 1.05 * bound(nu, S)), ("rho = nu", nu)):
                found = figures(job, sets, activation, loss, rho)
                named = {"activation": activation, "loss": loss, "rule": rule, "rho_over_nu": f"{rho / nu:.4g}"}
                table.append(named | found)
                print(*table[-1].values(), flush=True)
    write(out, table)


if __name__ == "__main__":
    main()
