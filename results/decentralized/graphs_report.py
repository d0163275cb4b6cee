"""Tables and figures of graphs.py: python graphs_report.py OUT

OUT/table.csv, OUT/table.md: medians and ranges over the seeds. OUT/JOB.png: errors of seed 1 by rounds and bits. Needs
matplotlib and an interpreter with hpcadmm.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from network import write

from hpcadmm import plotting

TARGET = 1e-4


def read(path):
    """The rows of a table, numbers as such."""
    with open(path, newline="", encoding="utf-8") as file:
        return [{key: number(text) for key, text in row.items()} for row in csv.DictReader(file)]


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def summarised(runs):
    """The rows of table.csv: medians, least and largest over the seeds; `reached`: how many are there."""
    groups = defaultdict(list)
    for run in runs:
        groups[run["job"], run["graph"], run["solver"]].append(run)
    found = []
    for (job, graph, solver), some in groups.items():
        there = [run for run in some if run["reached"] == "True"]
        row = {"job": job, "graph": graph, "solver": solver, "seeds": len(some), "reached": len(there)}
        for key in ("iterations", "rounds", "bits", "error"):
            values = [run[key] for run in some]
            row |= {key: median(values), f"{key}_least": min(values), f"{key}_most": max(values)}
        found.append(row)
    return found


def cell(row, key, factor):
    """A median and its range; of runs that did not reach the target, the error that they ended with."""
    if row["reached"] < row["seeds"]:
        return f"{row['reached']} of {row['seeds']}; {row['error']:.1e}"
    middle, *ends = (f"{row[key + end] * factor:.4g}" for end in ("", "_least", "_most"))
    return middle if ends[0] == ends[1] else f"{middle} ({ends[0]}-{ends[1]})"


def markdown(table):
    """A table for each job: rounds and kbit, a row for each graph, a column for each solver."""
    solvers, text = unique(table, "solver"), ""
    for job in unique(table, "job"):
        text += f"| {job} | {' | '.join(solvers)} |\n|---|{'---|' * len(solvers)}\n"
        for graph in unique(table, "graph"):
            some = {row["solver"]: row for row in table if (row["job"], row["graph"]) == (job, graph)}
            for what, key, factor in (("rounds", "rounds", 1.0), ("kbit", "bits", 1e-3)):
                text += f"| {graph}, {what} | {' | '.join(cell(some[name], key, factor) for name in solvers)} |\n"
        text += "\n"
    return text


def unique(rows, key):
    return list(dict.fromkeys(row[key] for row in rows))


def drawn(metrics):
    """Errors of the first seed against rounds and bits, a panel for each graph."""
    solvers, graphs = unique(metrics, "solver"), unique(metrics, "graph")
    looks = dict(zip(solvers, plotting.styles(solvers), strict=True))
    figure, grid = plotting.panels(2, len(graphs), 3.6, [plotting.entry(name, **looks[name]) for name in solvers])
    for line, key in zip(grid, ("rounds", "bits"), strict=True):
        for place, graph in zip(line, graphs, strict=True):
            some = [row for row in metrics if row["graph"] == graph and row["seed"] == metrics[0]["seed"]]
            for name, look in looks.items():
                rows = [row for row in some if row["solver"] == name]
                plotting.curve(place, [row[key] for row in rows], [row["error"] for row in rows], **look)
            plotting.log_axis(place, "x", [row[key] for row in some])
            plotting.log_axis(place, "y", [row["error"] for row in some])
            place.axhline(TARGET, **plotting.TARGET)
            place.set_xlabel(f"{key}, {graph}")
        line[0].set_ylabel("relative error")
    return figure


def main():
    out = Path(sys.argv[1])
    table, metrics = summarised(read(out / "runs.csv")), read(out / "metrics.csv")
    write(out / "table.csv", table)
    (out / "table.md").write_text(markdown(table), encoding="utf-8")
    for job in unique(metrics, "job"):
        some = [row for row in metrics if row["job"] == job]
        plotting.picture(out / f"{job}.png", lambda some=some: drawn(some), print)
    print(markdown(table))


if __name__ == "__main__":
    main()
