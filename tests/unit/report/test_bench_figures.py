"""Curves, growth and superplots: what is drawn is the data, cultures of one dose do not hide each other."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.lines import Line2D

from sequela.core.estimate import Estimate
from sequela.estimates.experiments import Compared
from sequela.report.bench_content import Comparisons, Who
from sequela.report.bench_tables import adjusted_in_words, cultures, micro, readings
from sequela.report.content_tables import House
from sequela.report.figures.dose_curves import DoseCurve, dose_curves
from sequela.report.figures.growth_curves import GrowthCurve, growth_curves
from sequela.report.figures.plate import PlateMap, plate_maps
from sequela.report.figures.plot import ratios, side_by_side
from sequela.report.figures.superplot import CROWD, Super, bar_of, superplot

DOSES = np.array([0.0, 0.01, 0.1, 1.0] * 2)


def curve(name: str, doses=DOSES) -> DoseCurve:
    grid = np.geomspace(0.01, 1, 20)
    middle = 1 / (1 + grid / 0.1)
    experiments = tuple("1" * (len(doses) // 2) + "2" * (len(doses) - len(doses) // 2))
    return DoseCurve(
        name,
        doses,
        1 / (1 + doses / 0.1),
        experiments,
        0 * doses,
        grid,
        middle,
        middle - 0.1,
        middle + 0.1,
        0.1,
    )


def large(axes, size: float):
    return [
        line
        for line in axes.get_lines()
        if line.get_markersize() == size and line.get_marker() not in ("None", None)
    ]


def strokes(figure):
    return [one for one in figure.draw.get_children() if isinstance(one, Line2D) and one.get_zorder() == 6]


def test_cultures_of_one_dose_stand_beside_each_other_and_the_file_keeps_the_dose():
    figure = dose_curves([curve("CTR"), curve("T+P")])
    first, second = large(figure.draw.axes[0], 3.8)
    apart = np.asarray(second.get_xdata()) / np.asarray(first.get_xdata())
    assert apart == pytest.approx(np.full(len(apart), apart[0]))
    assert apart[0] > 1
    middle = np.sqrt(np.asarray(first.get_xdata()) * np.asarray(second.get_xdata()))
    assert middle[1:4] == pytest.approx([0.01, 0.1, 1.0])
    assert first.get_marker() != second.get_marker()
    assert figure.data["dose"] == [*DOSES, *DOSES]
    alone = dose_curves([curve("CTR")])
    (line,) = large(alone.draw.axes[0], 3.8)
    assert list(line.get_xdata())[1:4] == pytest.approx([0.01, 0.1, 1.0])


def test_the_axis_is_broken_where_it_jumps_to_zero_and_only_there():
    assert len(strokes(dose_curves([curve("CTR")]))) == 4  # two strokes on each of two axes
    treated = curve("CTR", DOSES[DOSES > 0])
    assert not strokes(dose_curves([treated]))


def test_side_by_side_keeps_half_of_the_room_between_places_free():
    assert side_by_side(1, [0, 24], 2.0) == [0.0]
    assert side_by_side(3, [0, 24, 48], 2.0) == [-2.0, 0.0, 2.0]
    shifts = side_by_side(4, [0, 1, 2], 5.0)
    assert shifts[-1] - shifts[0] < 0.5
    assert sum(shifts) == pytest.approx(0)


def test_growth_has_every_count_and_its_experiments_lines():
    hours = np.array([0.0, 24, 48, 0, 24, 48])
    counts = 1000 * 2 ** (hours / 24)
    line = (np.array([0.0, 48.0]), np.array([1000.0, 4000.0]))
    curves = [
        GrowthCurve(name, hours, counts, ("1",) * 3 + ("2",) * 3, (line, line)) for name in ("CTR", "T+P")
    ]
    figure = growth_curves(curves)
    assert figure.data["count"] == [*counts, *counts]
    first, second = large(figure.draw.axes[0], 3.8)
    assert np.asarray(second.get_xdata()) - np.asarray(first.get_xdata()) == pytest.approx(
        np.full(6, 0.009 * 48)
    )
    assert figure.draw.axes[0].get_xlim()[0] < 0 - 0.009 * 48 / 2


def test_a_superplot_draws_given_values_of_experiments_and_given_limits():
    values = np.array([1.0, 2.0, 3.0, 10.0])
    plain = Super("CTR", values, ("1", "1", "2", "2"))
    assert plain.by_experiment() == {"1": 1.5, "2": 6.5}
    told = Super("T", values, ("1", "1", "2", "2"), large={"1": 1.0, "2": 3.0}, bar=(2.0, 0.5, 8.0))
    assert bar_of(told, log=False) == (2.0, 0.5, 8.0)
    assert bar_of(plain, log=False) == pytest.approx((4.0, 4.0 - math.sqrt(12.5), 4.0 + math.sqrt(12.5)))
    middle, lower, upper = bar_of(plain, log=True) or (0, 0, 0)
    assert middle == pytest.approx(math.sqrt(1.5 * 6.5))
    assert upper / middle == pytest.approx(middle / lower)
    assert bar_of(Super("zero", np.array([0.0, 1.0]), ("1", "2")), log=True) is None
    figure = superplot([plain, told], small="cells")
    assert figure.more["experiments"]["mean"] == [1.5, 6.5, 1.0, 3.0]
    assert "95% interval" in figure.caption
    assert "T: n = 2, 4 cells" in figure.caption


def test_one_value_an_experiment_is_drawn_once_and_a_crowd_is_a_picture():
    single = superplot([Super("CTR", np.array([1.0, 2.0]), ("1", "2"))])
    assert "Small dots" not in single.caption
    assert not [line for line in large(single.draw.axes[0], 2.5) if len(line.get_xdata())]
    n = CROWD + 2
    crowd = superplot([Super("CTR", np.linspace(0, 1, n), ("1", "2") * (n // 2))])
    assert any(line.get_rasterized() for line in crowd.draw.axes[0].get_lines())
    unnamed = superplot([Super("CTR", np.array([1.0, 2.0]), ("", ""))])
    assert "experiments not named" in [text.get_text() for text in unnamed.draw.texts]
    assert "CTR: experiments not named, 2 wells" in unnamed.caption
    assert bar_of(Super("CTR", np.array([1.0, 2.0]), ("", "")), log=False) is None
    both = superplot([Super(name, np.array([1.0, 2.0]), ("", "")) for name in "ab"])
    assert not [
        line
        for line in both.draw.axes[0].get_lines()
        if len(line.get_xdata()) == 2 and line.get_marker() == "None"
    ]
    assert {line.get_markerfacecolor() for line in large(both.draw.axes[0], 6.0)} == {"white"}


def test_ratios_stand_on_powers_of_two_with_one_among_them():
    scale = ratios(0.2, 1.4)
    assert [word for _, word in scale.ticks] == ["0.25", "0.5", "1"]
    assert scale.log
    assert scale.low < 0.2
    assert len(ratios(0.9, 1.1).ticks) >= 3  # finer than powers of two where they would be one
    assert [word for _, word in ratios(0.001, 2).ticks][:2] == ["0.001", "0.01"]


def test_a_plate_says_what_its_shades_mean():
    plate = PlateMap("P1", "experiment 1", 2, 2, ((1, 1, 0.1, "blank", True), (2, 2, 1.5, "sample", True)))
    words = [text.get_text() for text in plate_maps([plate]).draw.texts]
    assert any(word.startswith("experiment 1; signal 0.1 (white)") for word in words)


@pytest.mark.parametrize(("raw", "printed"), [
    ("1 ug/ml, 72 h", "1 µg/ml, 72 h"), ("10 uM", "10 µM"), ("Dose (ul)", "Dose (µl)"), ("drug", "drug"), ("CTRu g", "CTRu g"),
])  # fmt: skip
def test_micro_is_printed_as_a_letter(raw: str, printed: str):
    assert micro(raw) == printed


def test_cultures_and_what_was_read_are_two_tables():
    who = (Who("control", "BT474", "never exposed", (("MTT", 4, 160), ("cells", 0, 0))),
           Who("T", "BT474", "trastuzumab 20 ug/ml, 61 days", (("MTT", 3, 1200), ("cells", 0, 72))))  # fmt: skip
    house = House.of("plain", "month", None)
    lived = cultures(who, house)
    assert [row.cells[1].text for row in lived.rows] == ["never exposed", "trastuzumab 20 µg/ml, 61 days"]
    read = readings(who, house)
    assert [(row.label, [cell.text for cell in row.cells]) for row in read.rows] == [
        ("MTT", []), ("control", ["4", "160"]), ("T", ["3", "1,200"]), ("cells", []), ("T", ["0", "72"]),
    ]  # fmt: skip


@pytest.mark.parametrize(("n", "how", "said"), [
    (1, "holm", "One comparison: its p is not adjusted."),
    (2, "none", "Not adjusted for 2 comparisons."),
    (3, "holm", "Adjusted for 3 comparisons (Holm)."),
])  # fmt: skip
def test_what_adjusts_the_p_values_is_said_in_words(n: int, how: str, said: str):
    one = Compared("T", "CTR", Estimate("T / CTR", 1.0), (3, 3), (9, 9), 2.0)
    assert adjusted_in_words(Comparisons("IC50", "usual", (one,) * n, (), {}, None, how)) == said


def test_the_dose_read_off_stands_between_the_panels_with_its_interval():
    told = [
        replace(curve("CTR"), limits=(0.05, 0.2)),
        replace(curve("T"), mark=math.nan),
        replace(curve("T+P"), limits=(0.001, 50.0)),
    ]
    figure = dose_curves(told)
    lines = [one for one in figure.draw.get_children() if isinstance(one, Line2D)]
    marks = [one for one in lines if one.get_marker() == "^" and one.get_zorder() == 5]
    assert len(marks) == 2
    bars = [one for one in lines if one.get_linewidth() == 1.2]
    assert len(bars) == 2
    panel = figure.draw.axes[0].get_position()
    assert all(one.get_ydata()[0] < panel.y0 for one in (*marks, *bars))
    first, last = (np.asarray(one.get_xdata()) for one in bars)
    assert first.mean() == pytest.approx(marks[0].get_xdata()[0])  # symmetric on the logarithm
    assert last[0] >= panel.x0 - 1e-9  # as far as the axis goes
    assert last[1] <= panel.x1 + 1e-9


def test_a_figure_explains_what_it_draws():
    read = replace(curve("CTR"), mark=1.0, limits=(0.5, 2.0))
    none = replace(curve("CTR"), mark=float("nan"))
    assert "the dose read off" in dose_curves([read]).caption
    assert "the dose read off" not in dose_curves([none]).caption


def test_experiments_that_are_not_named_are_not_counted():
    unnamed = replace(curve("A204"), experiments=("",) * len(curve("A204").experiments))
    assert "A204: experiments not named, " in dose_curves([unnamed]).caption
    one = replace(curve("A204"), experiments=("e1",) * len(curve("A204").experiments))
    assert "A204: 1 experiment, " in dose_curves([one]).caption
