"""hpcadmm doctor: is this machine, or this allocation, ready for a job?"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hpcadmm.doctor import Finding

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option(
    "--folder",
    type=click.Path(readable=False, path_type=Path),
    default=".",
    help="The folder to try; default: this one.",
)
def doctor(as_json: bool, folder: Path) -> int:
    """Check MPI, launcher, cores, BLAS, HDF5 and a folder; also under mpiexec or srun.

    The exit code is 1 if there is an error, 0 otherwise.
    """
    from hpcadmm.comm.launcher import expected_rank
    from hpcadmm.doctor import examine, joined

    world, fault = joined()
    if world.size == 1 and expected_rank() > 0:
        return 0  # a launcher that does not match, or no MPI: the first process tells
    findings = examine(world, folder, fault)
    if world.first:
        click.echo(json.dumps([asdict(f) for f in findings], indent=2) if as_json else as_text(findings))
    return int(any(finding.level == "error" for finding in findings))


def as_text(findings: "list[Finding]") -> str:
    """A line for each finding, and one for its cure."""
    lines = []
    for f in findings:
        lines.append(f"{click.style(f'{f.level:8}', COLOURS[f.level])} {f.name:12} {f.text}")
        if f.cure:
            lines.append(f"{'':21} -> {f.cure}")
    return "\n".join(lines)
