"""The table and the figure of the race between two hosts: report.py OUT FOLDER...

FOLDER: of `hpcadmm compare` at one speed of the network, named network-SPEED.
"""

import math
import sys
from pathlib import Path

from hpcadmm import plotting
from hpcadmm.experiments.folder import Folder
from hpcadmm.experiments.plan import Planned, read
from hpcadmm.experiments.report import cell, markdown, number
from hpcadmm.trials.figure import bands
from hpcadmm.trials.reading import results
from hpcadmm.trials.summary import machine_notes, summarised

TARGETS = (0.97, 0.98)
SPEEDS = {"100mbit": "100 Mbit/s", "1gbit": "1 Gbit/s", "none": "no limit"}


def planned(folder):
    """The runs of a folder, by seed."""
    names = sorted(path.stem for path in (folder.path / "jobs").glob("*.toml"))
    found = [Planned(name, name.rpartition("-")[0], read(folder.job(name), [])) for name in names]
    return sorted(found, key=lambda one: one.job.head.seed)


def ours(job):
    return job.startswith("mpadmm")


def table(found):
    """One row an entrant; found: the results by speed."""
    rows, best = {}, []
    for speed, runs in found.items():
        for target in TARGETS:
            goal, lines = f"{100 * target:.0f} %", summarised(runs, target)
            for line in lines:
                row = rows.setdefault(line["job"], {"entrant": line["job"]})
                row.setdefault(f"iterations to {goal}", cell(line["target_iterations"]))
                row[f"s to {goal}, {speed}"] = cell(line["target_seconds"])
            best.append(against(lines, goal, speed))
    keys = sorted({key for row in rows.values() for key in row if key.startswith("iterations")})
    speeds = [f"s to {100 * target:.0f} %, {speed}" for target in TARGETS for speed in found]
    shown = [{key: row.get(key, "") for key in ("entrant", *keys, *speeds)} for row in rows.values()]
    return "\n".join([markdown(shown), "", *best])


def against(lines, goal, speed):
    """The quickest mpadmm against the quickest other one, in words."""
    seconds = {line["job"]: line["target_seconds"][0] if line["target_seconds"] else math.inf for line in lines}
    fastest = [min((n for n in seconds if ours(n) is mine), key=seconds.get, default="") for mine in (True, False)]
    if not all(fastest):
        return ""
    one, other = fastest
    text = f"- {goal}, {speed}: {one} after {number(seconds[one])} s, {other} after {number(seconds[other])} s"
    return f"{text}, ratio {seconds[one] / seconds[other]:.2f}" if math.isfinite(seconds[other]) else text


def drawn(found):
    """Accuracy against seconds, a panel for each speed."""
    curves = {speed: bands(runs) for speed, runs in found.items()}
    names = list(dict.fromkeys(one.label for some in curves.values() for one in some))
    groups = ["mpadmm" if ours(name) else name.rpartition("-")[0] for name in names]
    looks = dict(zip(names, plotting.styles(groups), strict=True))
    handles = [plotting.entry(name, **looks[name]) for name in names]
    figure, grid = plotting.panels(1, len(curves), 2.4, handles)
    for place, (speed, some) in zip(grid.flat, curves.items(), strict=True):
        for one in some:
            plotting.curve(place, one.costs["seconds"], one.middle, **looks[one.label])
        plotting.log_axis(place, "x", [s for one in some for s in one.costs["seconds"]])
        for target in TARGETS:
            place.axhline(100 * target, **plotting.TARGET)
        place.set_ylim(90, 98.6)
        place.set_xlabel(f"solver time (s), {speed}")
    grid.flat[0].set_ylabel("test accuracy (%)")
    return figure


def main():
    out, *folders = map(Path, sys.argv[1:])
    order = sorted(folders, key=lambda path: list(SPEEDS).index(path.name.partition("-")[2]))
    found = {}
    for path in order:
        folder = Folder(path)
        found[SPEEDS[path.name.partition("-")[2]]] = results(folder, planned(folder))
    done = [one for runs in found.values() for one in runs if one.finished]
    notes = [f"- {note}" for note in machine_notes(done)]
    head = "Median over the seeds (least to largest). Seconds are the solver's; a sum an iteration."
    text = "\n".join([head, "", table(found), *notes]) + "\n"
    (out / "summary.md").write_text(text)
    print(text)
    plotting.picture(out / "figure.png", lambda: drawn(found), print)


if __name__ == "__main__":
    main()
