"""Colours, axes and files of all figures."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hpcadmm.errors import UsageError
from hpcadmm.plotting import (
    COLOURS,
    accuracy_axis,
    entry,
    large_numbers,
    legend_rows,
    log_axis,
    panels,
    picture,
    styles,
)


def test_curves_beyond_the_colours_have_the_colour_of_their_group() -> None:
    few, many = styles(["adam"] * 4), styles(["adam", "sgd"] * 6)
    assert [one["color"] for one in few] == list(COLOURS[:4])
    assert len({one["linestyle"] for one in few}) == 1
    assert {one["color"] for one in many[::2]} == {COLOURS[0]}
    assert len({(one["color"], str(one["linestyle"])) for one in styles([str(k // 3) for k in range(27)])}) == 27


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.5), (0.02, 0.7), (3.0, 4000.0), (1e-6, 1e2), (5e3, 2e10)])
def test_the_labels_of_a_logarithmic_axis_are_few(low: float, high: float) -> None:
    place = Figure().subplots()
    log_axis(place, "y", [low, high])
    bottom, top = place.get_ylim()
    ticks = [tick for tick in place.get_yticks() if bottom <= tick <= top]
    assert 2 <= len(ticks) <= 7
    assert all(place.yaxis.get_major_formatter()(tick) for tick in ticks)
    assert not list(place.yaxis.get_minorticklocs())


def test_powers_of_ten_where_plain_numbers_are_long() -> None:
    for low, high, shown in ((0.02, 90.0, "0.1"), (1e-6, 1e2, "$10^{-2}$"), (3e5, 8e7, "$10^{6}$")):
        place = Figure().subplots()
        log_axis(place, "x", [low, high])
        formatter = place.xaxis.get_major_formatter()
        assert shown in [formatter(tick) for tick in place.get_xticks()]


def test_the_target_and_the_tops_of_the_ranges_are_inside() -> None:
    place = Figure().subplots()
    accuracy_axis(place, [20.0, 90.0, 91.0, 92.0], [97.0], 94.0)
    assert place.get_ylim()[0] < 92.0
    assert 97.0 < place.get_ylim()[1] <= 100.5


def test_large_numbers_have_no_factor_apart() -> None:
    for largest, shown in ((2.5e6, "1.5M"), (900.0, "500")):
        place = Figure().subplots()
        place.plot([0, largest], [0, 1])
        large_numbers(place.xaxis)
        place.figure.canvas.draw()
        assert largest < 1e5 or shown in [label.get_text() for label in place.get_xticklabels()]
        assert place.xaxis.get_offset_text().get_text() == ""


def test_a_legend_has_room_above_the_panels() -> None:
    few, many = ([entry(f"a rather long name {k}") for k in range(count)] for count in (1, 12))
    assert legend_rows(few) == 1 < legend_rows(many)
    heights = [panels(1, 2, 2.0, handles)[0].get_figheight() for handles in (few, many)]
    assert heights[0] < heights[1]


def test_a_figure_that_cannot_be_made_does_not_spoil_the_tables(tmp_path: Path) -> None:
    said: list[str] = []

    def failing() -> None:
        raise UsageError("no values")

    picture(tmp_path / "a.png", failing, said.append)
    picture(tmp_path / "a.png", lambda: None, said.append)
    assert said == ["a.png is not drawn: no values", "a.png: there is nothing to draw"]
    picture(tmp_path / "b.png", Figure, said.append)
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    assert len(said) == 2
