"""Whatever the labels are: no word meets another, none leaves the canvas, no name stands on a curve."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import rc_context
from matplotlib.cbook import pts_to_poststep
from matplotlib.path import Path

from sequela.report.figures import FlowStep, ForestRow, agreement, bars, flow, forest, kaplan_meier, swimmer
from tests.unit.report import demo

if TYPE_CHECKING:
    from matplotlib.transforms import Bbox

    from sequela.report.figures import Figure

LETTERS = "abcdefghij klmno pqrstuvw xyz ABCDEF MW ÄÖé → + - ≥ (0123456789) $_^%\\"
short = st.text(LETTERS, min_size=1, max_size=25).filter(lambda text: text.strip())
names = st.one_of(short, st.text(LETTERS, min_size=60, max_size=160).filter(lambda text: text.strip()))
widths = st.sampled_from(["single", "double"])
few = settings(max_examples=25, deadline=None)


def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Extent of every word that is drawn."""
    drawing = figure.draw
    with rc_context({"text.hinting": "no_hinting"}):
        renderer = drawing.canvas.get_renderer()  # type: ignore[attr-defined]
        return [
            (text.get_text(), text.get_window_extent(renderer))
            for text in drawing.texts
            if text.get_text().strip()
        ]


def check(figure: Figure) -> list[tuple[str, Bbox]]:
    found = boxes(figure)
    canvas = figure.draw.bbox
    for text, box in found:
        assert box.x0 >= -0.5 and box.y0 >= -0.5, (text, box)
        assert box.x1 <= canvas.x1 + 0.5 and box.y1 <= canvas.y1 + 0.5, (text, box, canvas)
    for (one, a), (other, b) in combinations(found, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        upright = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 0.5 or upright <= 0.5, (one, a, other, b)
    return found


def drawn_paths(figure: Figure) -> list[Path]:
    """The curves and guides as they appear, in pixels."""
    paths: list[Path] = []
    for axes in figure.draw.axes:
        for line in axes.get_lines():
            if line.get_linestyle() == "None" or len(line.get_xdata()) < 2:  # type: ignore[arg-type]
                continue
            x, y = line.get_xdata(), line.get_ydata()
            points: Any = pts_to_poststep(x, y) if line.get_drawstyle() == "steps-post" else (x, y)
            paths.append(Path(axes.transData.transform(np.column_stack(points))))
    return paths


@few
@given(
    st.lists(names, min_size=1, max_size=6, unique_by=lambda text: " ".join(text.split())),
    widths,
    st.integers(0, 99),
    st.data(),
)
def test_survival_curves(labels: list[str], width: Any, seed: int, data: st.DataObject) -> None:
    curves = demo.invented_curves(labels, seed=seed, n=60, scale=data.draw(st.sampled_from([3, 20, 200])))
    figure = kaplan_meier(
        curves,
        width=width,
        time_unit=data.draw(st.sampled_from(["day", "week", "month", "year"])),
        percent=data.draw(st.booleans()),
        x_label=data.draw(names),
        y_label=data.draw(names),
        annotations=data.draw(st.lists(names, max_size=2)),
        banner=data.draw(st.sampled_from([None, demo.BANNER])),
    )
    found = check(figure)
    words = [box for _, box in found]
    for path in drawn_paths(figure):
        assert not any(path.intersects_bbox(box, filled=False) for box in words)


@few
@given(
    st.lists(st.tuples(names, names, st.floats(-3, 3), st.floats(0.01, 3)), min_size=1, max_size=12),
    widths,
    names,
)
def test_forest(rows: list[tuple[str, str, float, float]], width: Any, note: str) -> None:
    drawn = [
        ForestRow(
            label, level, 12345, 678, *(float(np.exp(value)) for value in (log, log - se, log + se)), p=1e-5
        )
        for label, level, log, se in rows
    ]
    reference = ForestRow(*rows[0][:2], reference=True)
    missing = ForestRow(*rows[-1][:2], reason="no events", interaction_p=0.2)
    check(
        forest(
            [reference, *drawn, missing], width=width, note=note, directions=("better " + note[:20], "worse")
        )
    )


@few
@given(
    st.lists(
        st.tuples(names, st.lists(st.tuples(names, st.integers(0, 10**6)), max_size=4)),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.tuples(names, st.integers(0, 10**6)), max_size=7),
    widths,
)
def test_flow(steps: list[Any], groups: list[Any], width: Any) -> None:
    boxes = [FlowStep(label, 10**6, tuple(excluded)) for label, excluded in steps]
    check(flow(boxes, groups, width=width, banner=demo.BANNER))


@few
@given(st.dictionaries(names, st.integers(0, 10**5), min_size=1, max_size=8), widths)
def test_bars(counts: dict[str, int], width: Any) -> None:
    check(bars({label: [n, n // 2] for label, n in counts.items()}, series=("Given", "Derived"), width=width))


@few
@given(st.lists(names, min_size=2, max_size=5, unique_by=lambda text: " ".join(text.split())), widths, names)
def test_agreement(labels: list[str], width: Any, title: str) -> None:
    matrix = np.arange(len(labels) ** 2).reshape(len(labels), -1) * 37
    check(agreement(matrix, labels, labels, row_title=title, column_title=title, width=width))


@pytest.mark.parametrize("width", ["single", "double"])
def test_swimmer(width: Any) -> None:
    check(swimmer(demo.lanes(), width=width, banner=demo.BANNER))
