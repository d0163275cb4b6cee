"""The page: a table of the runs and their curves; of each run what was trained, scores, time, environment, job file."""

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from hpcadmm import __version__
from hpcadmm.after import evaluate, plot, plot_path
from hpcadmm.after.report.facts import place, spent
from hpcadmm.after.report.markup import figure, folded, of_rich, paragraph, text
from hpcadmm.after.report.runs import Told, overview, usual
from hpcadmm.after.trained import Warn
from hpcadmm.comm.launch import start_mpi
from hpcadmm.errors import UsageError
from hpcadmm.plotting import library, shortened, styled
from hpcadmm.storage.durable import absent, kind, spoken, write_text
from hpcadmm.storage.readers import PATH
from hpcadmm.storage.run import read_job


def report(folders: Sequence[Path], out: Path, force: bool, targets: Sequence[float], data: bool, warn: Warn) -> Path:
    """Write runs as one .html file. targets: test accuracies (or errors) whose time is told. data: read the runs' data,
    for the scores.

    Raises UsageError for what is no run, for a file that exists (without force) or cannot be written, and without
    matplotlib.
    """
    kind(out, (".html", ".htm"))
    absent(out, force)
    library()
    runs = [Told.of(name, folder) for name, folder in zip(plot.labels(folders), folders, strict=True)]
    with styled():
        page = paged(runs, targets or usual(runs), data, warn)
    with spoken(f"write {out}"):
        write_text(out, page)
    return out


def paged(runs: Sequence[Told], targets: Sequence[float], data: bool, warn: Warn) -> str:
    """The whole page."""
    names = shortened(", ".join(run.name for run in runs))
    title = names if len(runs) == 1 else f"{len(runs)} runs: {names}"
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    body = [f"<h1>{text(title)}</h1>", *overview(runs, targets), "<h2>Curves</h2>", *curves(runs)]
    for number, run in enumerate(runs, 1):
        body += [f'<section aria-labelledby="run-{number}">', f'<h2 id="run-{number}">{text(run.name)}</h2>']
        body += [*section(run, number, data, warn), "</section>"]
    body += [f"<footer>{text(f'Made by hpcadmm {__version__}, {now}.')}</footer>"]
    page = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    return page.substitute(title=text(title), body="\n".join(body))


def curves(runs: Sequence[Told]) -> Iterator[str]:
    """A figure of all runs for each of the usual axes."""
    found = [run.curves for run in runs]
    panels = [panel for panel in plot.PANELS if any(one.measured(panel) for one in found)]
    if not panels:
        yield paragraph("Nothing has been measured yet.", "note")
        return
    yield '<div class="figures">'
    for axis in reversed(plot.USUAL):
        caption = f"{', '.join(panel.name for panel in panels)} against {axis}"
        yield figure(axis, caption, plot.drawn(found, panels, [axis]))
    yield "</div>"


def section(run: Told, number: int, data: bool, warn: Warn) -> Iterator[str]:
    """One run."""
    yield paragraph(run.sentence)
    yield from path(run, number)
    yield "<h3>Scores</h3>"
    yield from scores(run, data, warn)
    yield "<h3>Time</h3>"
    yield from spent(run.last)
    yield "<h3>Where and how</h3>"
    yield place(run.environment)
    lines = map(text, read_job(run.folder).splitlines())
    yield folded("Job file", "<pre>{}</pre>".format("\n".join(lines)))


def path(run: Told, number: int) -> Iterator[str]:
    """The figure of a regularisation path, if the run has one."""
    if (run.folder / PATH).is_file():
        try:
            drawn = plot_path.figure_of(run.folder)
        except UsageError as error:
            yield paragraph(str(error), "note")
            return
        yield figure(f"path-{number}", "Coefficients and deviance by the strength of the penalty", drawn)


def scores(run: Told, data: bool, warn: Warn) -> Iterator[str]:
    """What `hpcadmm evaluate` says of the run's own data: of the test part, without one of the training part."""
    part = "train" if any(run.last.get(f"test_{score}", 0) is None for score in ("accuracy", "error")) else None
    try:
        if not data:
            raise UsageError("the data were not read")
        result = evaluate.evaluate(run.folder, (), part, None, start_mpi(), warn)
    except (UsageError, OSError) as error:
        yield paragraph(f"Not evaluated: {error}", "note")
        return
    for one in evaluate.shown(result):
        if isinstance(one, str):
            yield paragraph(one)
        elif one.columns[0].header == evaluate.CONFUSION:
            shares = [[math.sqrt(count / (sum(row) or 1)) for count in row] for row in result["confusion"]]
            yield of_rich("Confusion matrix: the darker, the larger the share of the true class", one, shares)
        else:
            yield of_rich(f"Scores by {one.columns[0].header}", one)
