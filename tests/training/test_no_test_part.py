"""An empty test part gives no figure, nowhere 0; rules that need one are refused before the training."""

import json
from pathlib import Path
from typing import Any

import pytest

from hpcadmm.after.plot import plot
from hpcadmm.after.show import line, row
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.experiments.plan import Planned
from hpcadmm.job.job import parse
from hpcadmm.storage.run import read_metrics
from hpcadmm.training.loop import train
from hpcadmm.training.progress import Progress
from hpcadmm.trials.figure import bands
from hpcadmm.trials.reading import Result

JOB = """
name = "all"
[data]
name = "digits"
split = 1.0
first = 300
[network]
hidden = []
[loss]
name = "cross-entropy"
[solver]
name = "adam"
[stop]
iterations = 4
"""


def trained(folder: Path, *overrides: str) -> Any:
    return train(parse(JOB, overrides), folder, World.alone(), Progress(True))


def test_no_figure_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert trained(run)["test_accuracy"] is None
    assert json.loads((run / "summary.json").read_text())["test_accuracy"] is None
    rows = read_metrics(run)
    assert [one["test_accuracy"] for one in rows] == [None] * 4
    assert all(one["train_accuracy"] > 0 for one in rows)
    assert line(row(run))["test"] == "-"
    shown = capsys.readouterr()
    assert "test -" in shown.out
    assert "test 0" not in shown.out + shown.err
    assert plot([run], tmp_path / "a.png").stat().st_size
    found = Result(Planned("a", "a", parse(JOB)), "finished", "", rows, {}, {}, [])
    assert (found.best(), found.final(), found.at(0.0), bands([found])) == (None, None, None, [])


@pytest.mark.parametrize("rule", ["stop.patience=1", "stop.accuracy=0.5"])
def test_rules_that_need_a_test_part(rule: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"stop\.\w+ = .* needs a test part, and there are no test samples: set data"):
        trained(tmp_path / "run", rule)
    assert not (tmp_path / "run").exists()
    assert trained(tmp_path / "held", rule, "data.validation=0.2", "data.split=1.0")["test_accuracy"] is not None
