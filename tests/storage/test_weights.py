"""The weights of a run, read by one process from files that are not trusted."""

from pathlib import Path

import pytest

from hpcadmm.errors import UsageError
from hpcadmm.storage.weights import read_weights
from tests.helpers import harm
from tests.helpers.cases import ACCIDENTS, HOSTILE
from tests.helpers.harm import MASTER


@pytest.mark.parametrize("case", [c for c, (name, _, _) in (ACCIDENTS | HOSTILE).items() if name == MASTER])
def test_weights_are_read_from_the_one_before(case: str, checkpoints: Path) -> None:
    (ACCIDENTS | HOSTILE)[case][2](checkpoints / "iteration-0000000020")
    warnings: list[str] = []
    meta, weights = read_weights(checkpoints.parent, warnings.append)
    if case not in ("array left out", "cells said to be columns", "cells of other rows"):  # which are not asked for
        assert len(warnings) == 1
        assert MASTER in warnings[0]
        assert meta["iteration"] == 10
    assert [w.shape for w in weights] == [(7, 4), (3, 8)]


@pytest.mark.parametrize(
    ("shapes", "sizes", "says"),
    [
        ([(1 << 40, 1 << 40)], None, r"but the file has \d+ bytes"),
        ([(7, 4, 2)], None, "not matrices"),
        ([(0, 4)], None, "not matrices"),
        ([(7, 4), (3, 9)], None, "do not form a network"),
        ([(7, 4), (3, 8)], [4, 7, 3], "do not form a network of sizes"),
        ([(7, 4), (3, 8)], [3, 6, 3], "do not form a network of sizes"),
        ([(7, 4), (3, 8)], "abc", "damaged|do not make"),
        ([], None, "it holds no weights"),
    ],
)
def test_weights_of_absurd_shapes_are_refused(
    shapes: list[tuple[int, ...]], sizes: object, says: str, checkpoints: Path
) -> None:
    def change(record: dict) -> None:
        entry = record["entries"]["W/1"]
        for l in (1, 2):
            del record["entries"][f"W/{l}"]
        for l, shape in enumerate(shapes, 1):
            record["entries"][f"W/{l}"] = {**entry, "shape": shape}
        record["meta"]["network"] = {"sizes": sizes}

    harm.record(change)(checkpoints / "iteration-0000000020")
    with pytest.raises(UsageError, match=says):
        read_weights(checkpoints / "iteration-0000000020", print)


def test_sizes_that_fit_are_accepted(checkpoints: Path) -> None:
    harm.record(lambda r: r["meta"].update(network={"sizes": [3, 7, 3]}))(checkpoints / "iteration-0000000020")
    for path in (checkpoints, checkpoints / "iteration-0000000020", checkpoints / "iteration-0000000020" / MASTER):
        meta, weights = read_weights(path, pytest.fail)
        assert (meta["iteration"], len(weights)) == (20, 2)
        assert all(w.flags.f_contiguous for w in weights)
