"""Biopsies before and after: one line a patient for every measure, and slides with what is positive in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.core.wording import number
from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, clean, head_room, line_height, wrap
from sequela.report.figures.plot import SIZE, SMALL, Scale, draw_axes, legend, linear, y_room
from sequela.report.figures.rasters import NOTED, bar_length, footnotes
from sequela.report.figures.slides import GAP, Slide, densities, draw_slide, slide_height
from sequela.report.figures.superplot import MARKS
from sequela.report.palette import MUTED, PALETTE, WARNING, colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from sequela.bench.biopsies import Biopsies
    from sequela.estimates.paired import Paired

NAMES: Final = {
    "score": "HER2 score",
    "percent": "HER2 (%)",
    "er": "ER (%)",
    "pgr": "PgR (%)",
    "ki67": "Ki-67 (%)",
}
SCORED: Final = Scale(-0.25, 3.25, ((0, "0"), (1, "1+"), (2, "2+"), (3, "3+")))
FEW: Final = 6  # patients who each have a colour
DIRECTIONS: Final = (("lower", PALETTE[1].line), ("higher", PALETTE[0].line), ("equal", MUTED))
ABREAST: Final = 5
TALL: Final = 42.0
SIDE: Final = 256


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """One measure of every pair: `name` as printed, values before and after (None where missing), and its test."""

    name: str
    patients: tuple[str, ...]
    before: tuple[float | None, ...]
    after: tuple[float | None, ...]
    test: Paired | None = None
    ordinal: bool = False


def slopes_of(found: Biopsies, tests: dict[str, Paired]) -> tuple[Slopes, ...]:
    """Every measure of `NAMES` that the table has, with its test where there is one."""
    patients = tuple(map(str, found.changes["patient"].to_list()))
    kinds = [kind for kind in NAMES if kind in found.table.columns]
    sides = {kind: found.pair(kind) for kind in kinds}
    return tuple(
        Slopes(NAMES[kind], patients, tuple(before), tuple(after), tests.get(kind), kind == "score")
        for kind, (before, after) in sides.items()
    )


def biopsy_figure(
    slopes: Sequence[Slopes],
    slides: Sequence[Slide] = (),
    *,
    id: str = "biopsies",
    title: str = "",
    note: str = "",
    pixel_um: float | None = None,
    side: int = SIDE,
    banner: str | None = None,
) -> Figure:
    """Slides (patients beside each other, before above after), and one panel of lines a measure.

    Args:
        slopes: the measures, from `slopes_of`.
        slides: from `slide_of`; two a patient where both are there.
        id, title: of the figure.
        note: for the caption.
        pixel_um: size of a pixel in micrometres; without it there is no scale bar, which the caption says.
        side: of the square shown of each slide, in pixels.
        banner: a warning printed in the picture.
    """
    shown = min([side, *(length for one in slides for length in one.dab.shape)])
    more: dict[str, dict[str, list[Any]]] = {"tests": _tests(slopes)}
    if slides:
        more["slides"] = _slide_rows(slides, shown, pixel_um)
    return Figure(
        id=id,
        title=title,
        caption=_caption(slopes, slides, shown, pixel_um, note),
        alt=_alt(slopes, slides),
        data={
            "measure": [one.name for one in slopes for _ in one.patients],
            "patient": [patient for one in slopes for patient in one.patients],
            "before": [value for one in slopes for value in one.before],
            "after": [value for one in slopes for value in one.after],
        },
        draw=_draw(slopes, slides, shown, pixel_um, banner),
        banner=banner,
        more=more,
    )


def _caption(
    slopes: Sequence[Slopes], slides: Sequence[Slide], side: int, pixel_um: float | None, note: str
) -> str:
    words: list[str] = []
    if slides:
        limits = densities(slides)
        cuts = ", ".join(dict.fromkeys(f"{one.threshold:g}" for one in slides))
        words.append(
            f"Slides: the middle {side} by {side} pixels in the file's own colours; beside them DAB, one scale for all "
            f"(white 0, black {limits.high:.2f} OD), orange from {cuts} OD on; the share is of the whole picture."
        )
        words.append(
            f"Scale bar: {bar_length(side * pixel_um):g} µm."
            if pixel_um
            else "No scale bar: the size of a pixel is not known."
        )
    if slopes:
        words.append("Lines: patients.")
    words += [f"{one.name}: {one.test.sentence}" for one in slopes if one.test is not None]
    return " ".join((*words, note)).strip()


def _alt(slopes: Sequence[Slopes], slides: Sequence[Slide]) -> str:
    shown = "; ".join(
        f"{one.name}: "
        + ", ".join(
            f"{clean(patient)} {_said(one, before)} to {_said(one, after)}"
            for patient, before, after in zip(one.patients, one.before, one.after, strict=True)
        )
        for one in slopes
    )
    pictures = f" {len(slides)} slides with DAB marked." if slides else ""
    return f"Biopsies before and after by patient. {shown}.{pictures}"


def _said(one: Slopes, value: float | None) -> str:
    if value is None:
        return "unknown"
    return dict(SCORED.ticks).get(round(value), f"{value:g}") if one.ordinal else f"{value:g}%"


def _tests(slopes: Sequence[Slopes]) -> dict[str, list[Any]]:
    told = [(one.name, one.test) for one in slopes if one.test is not None]
    return {
        "measure": [name for name, _ in told],
        "pairs": [test.pairs for _, test in told],
        "lower": [test.lower for _, test in told],
        "higher": [test.higher for _, test in told],
        "equal": [test.equal for _, test in told],
        "sign_p": [test.sign.p for _, test in told],
        "wilcoxon_p": [test.ranks.p for _, test in told],
        "least_p": [test.least_p for _, test in told],
    }


def _slide_rows(slides: Sequence[Slide], side: int, pixel_um: float | None) -> dict[str, list[Any]]:
    return {
        "patient": [one.patient for one in slides],
        "time": [one.time for one in slides],
        "file": [one.name for one in slides],
        "threshold_od": [one.threshold for one in slides],
        "positive_share": [one.positive for one in slides],
        "black_od": [densities(slides).high] * len(slides),
        "side": [side] * len(slides),
        "pixel_um": [pixel_um] * len(slides),
    }


def _draw(
    slopes: Sequence[Slopes], slides: Sequence[Slide], side: int, pixel_um: float | None, banner: str | None
) -> Any:
    whole, top = WIDTHS["double"], head_room(banner) + 0.5
    patients = list(dict.fromkeys(one.patient for one in slides))
    size = (whole - 6.0 - 2 * GAP) / 4
    block = line_height(SIZE) + 1.0 + 2 * slide_height(size) + 2.0
    pictures = math.ceil(len(patients) / 2) * block
    rows = [slopes[start : start + ABREAST] for start in range(0, len(slopes), ABREAST)]
    row = line_height(SIZE) + 2.0 + TALL + 5.0 + 3 * line_height(SMALL) + 3.0
    key = 2 * line_height(SMALL) + 1.0 if slopes else 0.0
    texts = footnotes(finding for one in slides for finding in one.findings)
    lines = [line for text in texts for line in wrap(f"! {clean(text)}", whole, NOTED)]
    bottom = top + pictures + len(rows) * row + key
    page = Page(whole, bottom + len(lines) * line_height(NOTED) + 0.5, banner)
    for nth, patient in enumerate(patients):
        left, y = (nth % 2) * (2 * size + GAP + 6.0), top + (nth // 2) * block
        page.text(left, y + 1.8, f"Patient {clean(patient)}", size=SIZE, weight="bold")
        for one in slides:
            if one.patient == patient:
                below = slide_height(size) if one.time == "after" else 0.0
                at = (left, y + line_height(SIZE) + 1.0 + below, size)
                draw_slide(page, one, at, side, densities(slides), pixel_um)
    for nth, some in enumerate(rows):
        _panels(page, some, max(map(len, rows)), top + pictures + nth * row, whole)
    if slopes:
        _key(page, slopes, bottom - key + 1.5, whole)
    page.lines(0, bottom, lines, size=NOTED, colour=WARNING)
    return page.drawing


def _panels(page: Page, row: Sequence[Slopes], abreast: int, top: float, whole: float) -> None:
    """Measures beside each other; percentages on one axis from 0 to 100, scores on their own."""
    percent = linear(0, 100, "", 5)
    room = max(y_room(SCORED), y_room(percent)) - line_height(SIZE)
    each = min(44.0, whole / max(3, abreast)) - room - 2.0
    for nth, one in enumerate(row):
        left = nth * (each + room + 2.0) + room
        area = Box(left, top + line_height(SIZE) + 2.0, left + each, top + line_height(SIZE) + 2.0 + TALL)
        page.text(left, top + 1.8, clean(one.name), size=SIZE, weight="bold")
        axes = draw_axes(page, area, None, SCORED if one.ordinal else Scale(-4, 105, percent.ticks))
        axes.set_xlim(-0.3, 1.3)
        _lines(axes, one)
        for x, word in ((0.0, "Before"), (1.0, "After")):
            at = area.left + (x + 0.3) / 1.6 * each
            page.text(at, area.bottom + 2.9, word, size=SMALL, align="center")
        if one.test is not None:
            words = [line for text in _short(one.test) for line in wrap(text, each + 2, SMALL)][:3]
            page.lines(area.left, area.bottom + 5.0, words, size=SMALL, colour=MUTED)


def _short(test: Paired) -> list[str]:
    """Directions, and the p beside the least one that so many pairs can reach."""
    equal = f", {test.equal} equal" if test.equal else ""
    told = f"{test.lower} lower, {test.higher} higher{equal}"
    if math.isnan(test.sign.p):
        return [told]
    return [told, f"p = {number(test.sign.p, 3)}, least {number(test.least_p, 3)}"]


def _lines(axes: Axes, one: Slopes) -> None:
    n = len(one.patients)
    for nth, (before, after) in enumerate(zip(one.before, one.after, strict=True)):
        shift = (nth - (n - 1) / 2) * min(0.06, 0.3 / max(1, n))
        known = [(x + shift, y) for x, y in ((0, before), (1, after)) if y is not None]
        hue, mark = _hue(nth, n, before, after), MARKS[nth % len(MARKS)] if n <= FEW else "o"
        if len(known) == 2:
            axes.plot(*np.array(known).T, color=hue, linewidth=1.0, zorder=2)
        face = hue if len(known) == 2 else "white"
        for x, y in known:
            axes.plot([x], [y], mark, markersize=4.6, color=face, markeredgecolor="white" if face == hue else hue,
                      markeredgewidth=0.6, zorder=3)  # fmt: skip


def _hue(nth: int, n: int, before: float | None, after: float | None) -> str:
    """A colour a patient; of many patients a colour a direction."""
    if n <= FEW:
        return colour(nth).line
    if before is None or after is None or before == after:
        return MUTED
    return DIRECTIONS[0][1] if after < before else DIRECTIONS[1][1]


def _key(page: Page, slopes: Sequence[Slopes], top: float, whole: float) -> None:
    patients = slopes[0].patients
    if len(patients) <= FEW:
        names = [f"patient {clean(name)}" for name in patients]
        legend(page, names, [colour(nth).line for nth in range(len(names))], 6.0, top, whole)
    else:
        legend(page, [name for name, _ in DIRECTIONS], [hue for _, hue in DIRECTIONS], 6.0, top, whole)
