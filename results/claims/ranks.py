"""Modelled seconds of a step of SGD at a fixed batch by ranks: python ranks.py OUT JOB MACHINE FABRIC...

Two networks and three batches, whose parts are single samples, so that a rank may have one. FABRIC: as of `hpcadmm
scaling advise --fabric`. OUT: CSV. Everything is predicted from the machine file, nothing is measured.
"""

import sys
from pathlib import Path

from tables import write

from hpcadmm.comm.world import World
from hpcadmm.job.job import read
from hpcadmm.performance.advise import case_of
from hpcadmm.performance.fabric import network
from hpcadmm.performance.machine import Machine
from hpcadmm.performance.predict import estimate

RANKS = (1, 100, 250, 500, 1000, 1500)
NETWORKS, BATCHES = ([300], [2000, 2000]), (1500, 6000, 60000)


def main():
    out, job, machine, *fabrics = sys.argv[1:]
    machine, rows = Machine.read(Path(machine)), []
    for fabric in fabrics:
        over = network(machine, fabric)
        for hidden in NETWORKS:
            for batch in BATCHES:
                sets = [f"network.hidden={hidden}", f"solver.batch={batch}", f"solver.cut={batch}"]
                case = case_of(read(Path(job), sets, World.alone()))
                found = [estimate(case, n, machine, over).predict() for n in RANKS]
                row = {"network": Path(fabric).stem, "sizes": "-".join(map(str, case.n)), "batch": batch}
                row |= {f"{n} ranks": f"{p.seconds:.3g}" for n, p in zip(RANKS, found, strict=True)}
                row["1500 over 500"] = f"{found[-1].seconds / found[RANKS.index(500)].seconds:.3f}"
                rows.append(row)
    write(out, rows)


if __name__ == "__main__":
    main()
