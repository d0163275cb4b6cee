"""Tables, figure and README of the speed-up experiment, from the reports that speedup.py gathered.

Measured and modelled rows stay apart throughout: by a column, by columns, by filled and open markers.
"""

import csv
from dataclasses import asdict
from pathlib import Path
from statistics import median
from string import Template
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speedup import Plan

INPUTS, OUTPUTS, ITEM = 196, 10, 4  # 14 x 14 images, ten digits, bytes of a float32
RANKS = (1, 2)  # measured
PAPER = {1500: (237.66, 26.78), 2000: (570.90, 50.70), 2400: (766.82, 62.50)}  # seconds an epoch, serial and parallel
PAPER_DEPTH = 19
Point = tuple[int, int]  # neurons of a hidden layer, hidden layers
Row = dict[str, Any]


def name(point: Point, ranks: int, repeat: int) -> str:
    """The key of a run in runs.json."""
    return f"{point[1]} x {point[0]}, ranks {ranks}, repeat {repeat}"


def write(plan: "Plan", raw: Row, folder: Path) -> None:
    """table.csv, figure.png and README.md into the folder; prints the tables."""
    rows = rows_of(plan, raw)
    with (folder / "table.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    found = facts(plan, raw, rows)
    draw(
        rows, f"{raw['job']}, commit {found['commit']}, {found['machine']}, load {found['load']}", folder / "figure.png"
    )
    text = (Path(__file__).parent / "pdadmm-speedup" / "README.in.md").read_text()
    (folder / "README.md").write_text(Template(text).substitute(found))
    print(found["table_neurons"], found["table_layers"], sep="\n\n")
    print(f"modelled / measured seconds on {RANKS[-1]} ranks: {found['low']} to {found['high']}")


# Rows. The model knows the runs on one rank and the messages, never the runs on two.


def rows_of(plan: "Plan", raw: Row) -> list[Row]:
    """The rows of table.csv: the measured ones and the modelled ones of each point."""
    fixed = {"job": raw["job"], "commit": commits(raw), "machine": machine(raw)}
    rows = []
    for kind, points in plan.kinds.items():
        for point in points:
            for row in [*measured(plan, raw, point), *modelled(plan, raw, point)]:
                rows.append({"kind": kind, "neurons": point[0], "hidden": point[1], **row, **fixed})
    return rows


def reports(plan: "Plan", raw: Row, point: Point, ranks: int) -> list[Row]:
    return [raw["runs"][name(point, ranks, repeat)] for repeat in range(plan.repeats)]


def measured(plan: "Plan", raw: Row, point: Point) -> list[Row]:
    """One row a rank count: median and spread (largest less least) over all timed iterations of all repeats."""
    rows: list[Row] = []
    for ranks in RANKS:
        runs = reports(plan, raw, point, ranks)
        seconds = [s for run in runs for s in run["samples"]["iteration_seconds"]]
        middle, load = median(seconds), max(run["figures"].get("load_before", -1.0) for run in runs)
        speedup = rows[0]["seconds"] / middle if rows else 1.0
        row = {"ranks": ranks, "seconds": middle, "spread": max(seconds) - min(seconds), "speedup": speedup}
        share = min(run["figures"]["iteration_cpu_share"] for run in runs)
        rows.append({**row, "how": "measured", "load": load, "cpu_share": share})
    return rows


def modelled(plan: "Plan", raw: Row, point: Point) -> list[Row]:
    """R = 1..L ranks: the most expensive block of layers as the solver deals them, by the seconds of each layer on one
    rank, and, as if nothing overlapped, the two messages of a boundary: p (n + 1, samples) down, w (n, samples) up."""
    from hpcadmm.model.activations import Relu
    from hpcadmm.model.network import Network
    from hpcadmm.solvers.pdadmm.blocks import PRODUCTS
    from hpcadmm.solvers.pdadmm.work import costs  # these start MPI, so not before all is measured
    from hpcadmm.solvers.shared.dealing import deal

    n, hidden = point
    L, runs, found = hidden + 1, reports(plan, raw, point, 1), raw["machine"]["figures"]
    layer = [median(run["figures"][f"layer_seconds[{l}]"] for run in runs) for l in range(1, L + 1)]
    size = ITEM * plan.samples * (2 * n + 1)
    messages = 2 * found["pingpong_seconds"] + size / (1e9 * found["pingpong_gb_per_second"])
    cost = costs(Network((INPUTS, *[n] * hidden, OUTPUTS), Relu()), PRODUCTS["quadratic"])
    rows: list[Row] = []
    for ranks in range(1, L + 1):
        seconds = max(sum(layer[lo:hi]) for lo, hi in deal(cost, ranks)) + (messages if ranks > 1 else 0.0)
        speedup = rows[0]["seconds"] / seconds if rows else 1.0
        rows.append({"ranks": ranks, "seconds": seconds, "spread": None, "speedup": speedup, "how": "modelled"})
    return [{**row, "load": None, "cpu_share": None} for row in rows]


def pick(rows: list[Row], how: str, ranks: int | None = None, **wanted: Any) -> list[Row]:
    """The rows of a kind; ranks 0: of as many ranks as layers."""
    wanted["how"] = how
    right = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return [row for row in right if ranks is None or row["ranks"] == (ranks or row["hidden"] + 1)]


def markdown(rows: list[Row], kind: str) -> str:
    """The table of a kind: seconds of an iteration and speed-ups, measured and modelled in columns apart."""
    two = RANKS[-1]
    titles = f"hidden layers|measured: 1 rank, s|{two} ranks, s|speed-up|modelled: {two} ranks, s|error|"
    titles += "ranks = layers of weights|s|speed-up" + "|paper's speed-up" * (kind == "neurons")
    lines = [f"| {titles.replace('|', ' | ')} |", "|" + "---|" * (titles.count("|") + 1)]
    every = pick(rows, "measured", 1, kind=kind)
    for one in every:
        same = {key: one[key] for key in ("kind", "neurons", "hidden")}
        (both,), (model,) = pick(rows, "measured", two, **same), pick(rows, "modelled", two, **same)
        (most,) = pick(rows, "modelled", 0, **same)
        paper = PAPER.get(one["neurons"]) if one["hidden"] == PAPER_DEPTH else None
        lines.append(
            f"| {one['hidden']} x {one['neurons']} | {one['seconds']:.3g} ± {one['spread'] / 2:.1g} | "
            f"{both['seconds']:.3g} ± {both['spread'] / 2:.1g} | {both['speedup']:.2f} | {model['seconds']:.3g} | "
            f"{model['seconds'] / both['seconds'] - 1:+.1%} | {most['ranks']} | {most['seconds']:.3g} | "
            f"{most['speedup']:.1f} |" + f" {f'{paper[0] / paper[1]:.2f}' if paper else ''} |" * (kind == "neurons")
        )
    return "\n".join(lines)


# Where the figures come from.


def everything(raw: Row) -> list[Row]:
    return [raw["machine"], *raw["runs"].values()]


def commits(raw: Row) -> str:
    """The commits of the runs, those with uncommitted changes marked."""
    found = [run["environment"]["commit"] or {"commit": "unknown", "changed": False} for run in everything(raw)]
    return " ".join(sorted({one["commit"][:7] + "+changes" * one["changed"] for one in found}))


def machine(raw: Row) -> str:
    said = {f"{run['notes']['processor']} ({run['figures']['cores']} cores)" for run in everything(raw)}
    return "; ".join(sorted(said))


def facts(plan: "Plan", raw: Row, rows: list[Row]) -> Row:
    """What README.in.md names."""
    two = RANKS[-1]
    runs, found = list(raw["runs"].values()), raw["machine"]["figures"]
    pairs = zip(pick(rows, "measured", two), pick(rows, "modelled", two), strict=True)
    errors = [model["seconds"] / real["seconds"] - 1 for real, model in pairs]
    alone = zip(pick(rows, "measured", 1), pick(rows, "modelled", 1), strict=True)
    digests: dict[str, set[str]] = {}
    for key, run in raw["runs"].items():
        digests.setdefault(key.partition(",")[0], set()).add(run["notes"]["weights_sha256"])
    library = raw["machine"]["environment"]["mpi"].get("library", "unknown")
    return {
        **asdict(plan),
        "job": raw["job"],
        "timed": plan.repeats * plan.iterations,
        "commit": commits(raw),
        "machine": machine(raw),
        "blas": raw["machine"]["notes"]["blas"],
        "mpi": " ".join(str(library).split()),
        "started": min(run["environment"]["started"] for run in runs),
        "ended": max(run["environment"]["started"] for run in runs),
        "load": f"{max(row['load'] for row in pick(rows, 'measured')):.1f}",
        "cpu_share": f"{min(row['cpu_share'] for row in pick(rows, 'measured')):.2f}",
        "low": f"{min(errors):+.1%}",
        "high": f"{max(errors):+.1%}",
        "alone": f"{max((model['seconds'] / real['seconds'] - 1 for real, model in alone), key=abs):+.1%}",
        "weights": "the same" if all(len(shas) == 1 for shas in digests.values()) else "NOT the same",
        "finite": "finite" if not any("diverged" in run["notes"] for run in runs) else "NOT finite",
        "latency": f"{1e6 * found['pingpong_seconds']:.2g}",
        "bandwidth": f"{found['pingpong_gb_per_second']:.2g}",
        "table_neurons": markdown(rows, "neurons"),
        "table_layers": markdown(rows, "layers"),
    }


# The figure: filled markers and full lines are measured, open ones and dashes modelled.


def draw(rows: list[Row], source: str, out: Path) -> None:
    """Speed-up against neurons, against layers, and against ranks."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from hpcadmm.after.plot import COLOURS, STYLE

    style: Any = STYLE
    with matplotlib.rc_context(style):
        figure = Figure((10, 4.2), layout="constrained")
        places = figure.subplots(1, 3)
        for place, kind, across in zip(places, ("neurons", "layers"), ("neurons", "hidden"), strict=False):
            against(place, [row for row in rows if row["kind"] == kind], across, COLOURS)
        against_ranks(places[2], [row for row in rows if row["kind"] == "neurons"], COLOURS)
        for place in places:
            place.set_ylabel("speed-up over one rank")
            place.set_ylim(bottom=0)
            place.set_xlim(left=0)
            place.xaxis.set_major_locator(MaxNLocator(integer=True))
            place.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14))
        figure.supxlabel(source, fontsize=6, color="#666666")
        figure.savefig(out)


def against(place: Any, rows: list[Row], across: str, colours: tuple[str, ...]) -> None:
    """Speed-ups of a kind: on two ranks measured and modelled, on as many as layers modelled, the paper's."""
    two = RANKS[-1]
    for how, ranks, color in (
        ("modelled", 0, colours[1]),
        ("modelled", two, colours[0]),
        ("measured", two, colours[0]),
    ):
        some = pick(rows, how, ranks)
        label = f"{how}, {f'{ranks} ranks' if ranks else 'ranks = layers of weights'}"
        place.plot([row[across] for row in some], [row["speedup"] for row in some], label=label, **look(how, color))
    known = [row for row in pick(rows, "measured", 1) if row["neurons"] in PAPER and row["hidden"] == PAPER_DEPTH]
    if known and across == "neurons":
        ratios = [PAPER[row["neurons"]][0] / PAPER[row["neurons"]][1] for row in known]
        place.plot([row["neurons"] for row in known], ratios, "x", color="#666666", label="paper, its machine")
    fixed = {row["hidden" if across == "neurons" else "neurons"] for row in rows}
    each = f"{fixed.pop()} {'hidden layers' if across == 'neurons' else 'neurons a hidden layer'}"
    place.set_xlabel("neurons a hidden layer" if across == "neurons" else "hidden layers")
    place.set_title(each)


def against_ranks(place: Any, rows: list[Row], colours: tuple[str, ...]) -> None:
    """The narrowest and the widest; the grey line is as many times as ranks."""
    most = max(row["ranks"] for row in rows)
    place.plot([1, most], [1, most], color="#aaaaaa", linewidth=0.8)
    widths = sorted({row["neurons"] for row in rows})
    for color, n in zip(colours, (widths[0], widths[-1]), strict=False):
        for how in ("modelled", "measured"):
            some = pick(rows, how, neurons=n)
            xy = [row["ranks"] for row in some], [row["speedup"] for row in some]
            place.plot(*xy, label=f"{how}, {n} neurons", **look(how, color))
    place.set_xlabel("ranks")
    place.set_title(f"{rows[0]['hidden']} hidden layers")


def look(how: str, color: str) -> Row:
    filled = how == "measured"
    style = {"linestyle": "-" if filled else "--", "markerfacecolor": color if filled else "white"}
    return {"marker": "o", "markersize": 4, "color": color, **style}
