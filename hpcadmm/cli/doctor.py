"""`hpcadmm doctor`: is this machine or allocation ready for a job?"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hpcadmm.cli.options import JSON, PATH

if TYPE_CHECKING:
    from hpcadmm.doctor.finding import Finding

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command()
@JSON
@click.option("--folder", type=PATH, default=".", help="Folder to test (default: the current one).")
def doctor(as_json: bool, folder: Path) -> int:
    """Check MPI, launcher, cores, BLAS, HDF5 and a folder, also under mpiexec or srun. Exit code 1 on any error."""
    from hpcadmm.comm.launcher import expected_rank
    from hpcadmm.doctor.checks import examine, joined

    world, fault = joined()
    if world.size == 1 and expected_rank() > 0:
        return 0  # the launcher does not match, or there is no MPI: only the first process reports
    findings = examine(world, folder, fault)
    if world.first:
        click.echo(json.dumps([asdict(f) for f in findings], indent=2) if as_json else as_text(findings))
    return int(any(finding.level == "error" for finding in findings))


def as_text(findings: "Sequence[Finding]") -> str:
    """A line per finding, and a line for its cure."""
    lines = []
    for f in findings:
        lines.append(f"{click.style(f'{f.level:8}', COLOURS[f.level])} {f.name:12} {f.text}")
        if f.cure:
            lines.append(f"{'':21} -> {f.cure}")
    return "\n".join(lines)
