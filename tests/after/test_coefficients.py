"""show --coefficients: in the units of the data, by name."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.after.coefficients import caption, coefficients, shown
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.training.loop import train
from hpcadmm.training.progress import Progress

JOB = """
name = "table"
[data]
name = "csv"
path = "{path}"
target = "price"
standardise = true
standardise_targets = true
split = 1.0
[network]
hidden = []
[loss]
name = "squared"
[penalty]
name = "{penalty}"
[solver]
name = "{solver}"
{options}
[stop]
iterations = 400
[evaluate]
every = 0
"""


@pytest.mark.parametrize(("solver", "options"), [("unwrapped", ""), ("consensus", "workers = 3")])
def test_they_are_least_squares_of_the_raw_table(tmp_path: Path, solver: str, options: str) -> None:
    random = np.random.default_rng(0)
    X = random.standard_normal((90, 3)) * [100.0, 1.0, 0.01] + [5.0, -3.0, 2.0]
    y = 7.0 + X @ [0.02, -1.5, 40.0] + 0.1 * random.standard_normal(90)
    lines = [",".join(f"{v:.17g}" for v in (*row, t)) for row, t in zip(X, y, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["area,rooms,tax rate,price", *lines]))
    text = JOB.format(path=tmp_path / "a.csv", penalty="none", solver=solver, options=options)
    train(parse(text), tmp_path / "run", World.alone(), Progress(False))
    found = coefficients(tmp_path / "run", None, world=World.alone(), warn=print)
    best = np.linalg.lstsq(np.hstack([X, np.ones((90, 1))]), y, rcond=None)[0]
    assert list(found["coefficients"]) == ["area", "rooms", "tax rate"]
    mine = [*(values["price"] for values in found["coefficients"].values()), found["intercept"]["price"]]
    np.testing.assert_allclose(mine, best, rtol=1e-6)
    assert json.loads(json.dumps(found))["outputs"] == ["price"]
    table = shown(found, 80)
    assert [column.header for column in table.columns] == ["feature", "price"]
    assert table.row_count == 4
    assert caption(4, 4) == ""


def test_networks_have_none(run: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="has hidden layers; coefficients are those of a linear model"):
        coefficients(run("digits"), None, world=World.alone(), warn=print)
