"""Figures and their files."""

from __future__ import annotations

import csv
import io
import logging
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.lines import Line2D

from sequela.core.errors import UsageError
from sequela.core.outcome import Times
from sequela.estimates.curves import kaplan_meier as estimate
from sequela.report.figures import ForestRow, agreement, forest, kaplan_meier, save, swimmer
from sequela.report.figures.page import families, width_of, wrap
from tests.unit.report import demo

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.report.figures import Figure

FIGURES = demo.figures()


def markers(figure: Figure) -> list[str]:
    return [str(line.get_marker()) for line in figure.draw.get_children() if isinstance(line, Line2D)]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.id)
def test_files_are_the_same_every_time_and_text_stays_text(figure: Figure, tmp_path: Path) -> None:
    first, second = save(figure, tmp_path / "a"), save(figure, tmp_path / "b")
    assert {"svg", "pdf", "png", "csv"} <= first.keys()
    for kind, path in first.items():
        assert path.read_bytes() == second[kind].read_bytes(), kind
    svg = ElementTree.parse(first["svg"])
    words = ["".join(text.itertext()) for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert demo.BANNER in words
    assert "date" not in first["svg"].read_text(encoding="utf-8").lower().split("<style")[0]
    pdf = first["pdf"].read_bytes()
    assert b"/Type3" not in pdf
    assert b"/CreationDate" not in pdf
    warning, numbers = first["csv"].read_text(encoding="utf-8").split("\n", 1)
    assert warning == f"# {demo.BANNER}"
    rows = list(csv.reader(io.StringIO(numbers)))
    assert len({len(row) for row in rows}) == 1
    assert len(rows) > 1


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.id)
def test_every_figure_says_what_it_shows(figure: Figure) -> None:
    assert figure.title
    assert figure.caption.endswith(".")
    assert len(figure.alt) > 40
    assert figure.draw.get_suptitle() == ""


def test_png_has_200_dots_per_inch_of_a_double_column(tmp_path: Path) -> None:
    header = save(FIGURES[1], tmp_path)["png"].read_bytes()[16:24]
    width = int.from_bytes(header[:4], "big")
    assert width == pytest.approx(170 / 25.4 * 200, abs=1)


def test_the_curve_figure_tells_medians_landmarks_and_counts() -> None:
    times = Times(np.array([30, 60, 90, 120, 200, 300]), np.array([1, 1, 0, 1, 0, 1]))
    curve = estimate(times)
    figure = kaplan_meier({"All": curve}, time_unit="day", breaks=(0, 100, 200, 300), landmarks=(100,))
    words = [text.get_text() for text in figure.draw.texts]
    assert "4 / 6" in words
    assert any(word.startswith(f"{curve.median().value:.1f} (") for word in words)
    assert any(word.startswith(f"{100 * curve.at(100.0).value:.1f} (") for word in words)
    assert figure.more["at-risk"]["at_risk"] == [6, 3, 2, 1]
    assert figure.more["at-risk"]["censored"] == [0, 1, 1, 2]
    assert figure.more["at-risk"]["events"] == [0, 2, 3, 3]
    assert figure.data["time_days"] == times.exit.tolist()


def test_days_become_months_of_30_4375_days() -> None:
    curve = estimate(Times(np.array([365.25, 730.5]), np.array([1, 1])))
    assert kaplan_meier({"All": curve}, time_unit="month").data["time_months"] == pytest.approx([12, 24])
    assert kaplan_meier({"All": curve}, time_unit="year").data["time_years"] == pytest.approx([1, 2])


def test_the_tail_fades_where_a_tenth_is_left() -> None:
    n = 40
    curve = estimate(Times(np.arange(1, n + 1), np.ones(n)))
    figure = kaplan_meier({"All": curve}, time_unit="day")
    solid, faded = [line for line in figure.draw.axes[0].get_lines() if line.get_drawstyle() == "steps-post"]
    assert max(solid.get_xdata()) == 37  # 4 of 40 at risk
    assert (min(faded.get_xdata()), max(faded.get_xdata())) == (37, 40)
    assert (faded.get_alpha() or 1) < 0.5


def test_a_median_that_is_not_reached_is_said() -> None:
    curve = estimate(Times(np.array([10, 20, 30]), np.array([1, 0, 0])))
    words = [text.get_text() for text in kaplan_meier({"All": curve}, time_unit="day").draw.texts]
    assert any(word.startswith("NR") for word in words)


def test_survival_beyond_the_last_follow_up_is_a_dash_and_not_called_a_median() -> None:
    curve = estimate(Times(np.array([10, 20, 30]), np.array([1, 0, 0])))
    figure = kaplan_meier({"All": curve}, time_unit="day", landmarks=(20, 40))
    words = [text.get_text() for text in figure.draw.texts]
    assert words.count("–") == 1
    assert "–, beyond the last follow-up." in figure.caption


def test_delayed_entry_is_explained() -> None:
    rng = np.random.default_rng(1)
    times = demo.invented_times(rng, 80, 20, delayed=True)
    figure = kaplan_meier({"All": estimate(times)}, entries={"All": times.entry})
    assert "delayed entry" in figure.caption
    at_risk = figure.more["at-risk"]["at_risk"]
    assert max(at_risk) > at_risk[0]


def test_forest_keeps_rows_with_equal_labels_and_clips_with_an_arrow() -> None:
    rows = [
        ForestRow("A", "x", estimate=1.1, low=0.9, high=1.3),
        ForestRow("A", "x", estimate=2, low=0.1, high=900),
    ]
    figure = forest(rows)
    words = [text.get_text() for text in figure.draw.texts]
    assert "1.10 (0.90–1.30)" in words
    assert "2.00 (0.10–900)" in words
    assert markers(figure).count(">") == 1
    assert markers(figure).count("s") == 2


def test_forest_draws_no_marker_for_a_reference() -> None:
    effect = ForestRow("A", "x", estimate=1.1, low=0.9, high=1.3)
    others = [ForestRow("A", "y", reference=True), ForestRow("A", "z", reason="no events")]
    assert markers(forest([effect])).count("s") == 1
    assert markers(forest([effect, *others])).count("s") == 1


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: kaplan_meier({}), "F100"),
        (lambda: kaplan_meier(dict.fromkeys("abcdefg", FIGURES[0])), "F100"),  # type: ignore[arg-type]
        (lambda: forest([]), "F101"),
        (lambda: forest([ForestRow("A", estimate=-0.2, low=0.1, high=0.3)]), "F102"),
        (lambda: agreement([[1, 2]], ["a"], ["b"]), "F103"),
        (lambda: swimmer([]), "F104"),
    ],
)
def test_wrong_input_is_refused_with_a_code(call: object, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()  # type: ignore[operator]
    assert caught.value.findings[0].code == code


def test_wrapped_lines_fit_and_lose_no_letter() -> None:
    text = "Pertuzumab and trastuzumab with a verylongwordthatdoesnotfitanywhereatall in first line"
    lines = wrap(text, 25, 8)
    assert all(width_of(line, 8) <= 25 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_fonts_that_are_missing_are_never_asked_for(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.DEBUG, logger="matplotlib.font_manager"):
        save(FIGURES[0], tmp_path)
    assert "not found" not in caplog.text
    assert families()[-1] == "DejaVu Sans"


def test_pyplot_is_never_imported() -> None:
    code = "import sys, sequela.report.figures; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_glyph_that_no_font_has_does_not_stop_the_figure(tmp_path: Path) -> None:
    curve = estimate(Times(np.array([10, 20]), np.array([1, 1])))
    assert save(kaplan_meier({"治疗 \U0001f9ea": curve}, time_unit="day"), tmp_path)["png"].exists()
