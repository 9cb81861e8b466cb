"""Strips of a blot: parts of the unmodified picture under their targets and lanes, as they lie in the file.

A strip is one rectangle of one file: all lanes in the file's order, nothing cut out or joined, one straight grey scale
for all of them whose ends are printed. Pixels at the camera's limit are painted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from sequela.core.wording import number
from sequela.report.figures.page import Box, Page, clean, line_height, width_of, wrap
from sequela.report.figures.plot import SIZE, SMALL
from sequela.report.figures.rasters import Limits, grey_levels, place
from sequela.report.palette import INK, MUTED, PALETTE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from sequela.bench.blots import Band, Blot
    from sequela.core.finding import Finding

AROUND: Final = 6  # rows shown above and below the bands
USUAL: Final = 11.0  # mm a lane
WIDEST: Final = 18.0  # mm a lane whose name needs it
TINY: Final = 6.0  # points
SIGNS: Final = {"saturated": "≥", "not detected": "n.d."}
OUTLINES: Final = {"": PALETTE[0].line, "saturated": PALETTE[1].line, "not detected": MUTED}


@dataclass(frozen=True, slots=True)
class LaneLabel:
    """What a lane holds; without a culture it is a ladder or empty, and `word` says which."""

    culture: str = ""
    experiment: str = ""
    word: str = "–"


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One target: the file from row `top` on with its bands; `limits` are the signals drawn white and black."""

    target: str
    weight: str
    top: int
    signal: NDArray[Any]
    clipped: NDArray[Any]
    bands: tuple[Band, ...]
    limits: Limits


@dataclass(frozen=True, slots=True, eq=False)
class BlotPicture:
    """One blot as it is printed.

    Attributes:
        name: of the blot; `file`, `sha256`: of its picture.
        lanes, edges: what each lane holds, and its left and right column.
        strips: from top to bottom, all from column `left` on.
        zero, dark: grey of the file = zero + signal, or zero - signal where bands are dark.
        degrees: by which the picture was turned.
        findings: what limits the measurement.
    """

    name: str
    file: str
    sha256: str
    lanes: tuple[LaneLabel, ...]
    edges: tuple[tuple[int, int], ...]
    strips: tuple[Strip, ...]
    left: int
    zero: float
    dark: bool
    degrees: float
    findings: tuple[Finding, ...]

    def grey(self, signal: float) -> float:
        """The file's own pixel value of a signal."""
        return self.zero - signal if self.dark else self.zero + signal


def strips_of(
    blot: Blot,
    lanes: Sequence[LaneLabel],
    *,
    name: str = "",
    targets: Sequence[str] | None = None,
    weights: Mapping[str, str] | None = None,
) -> BlotPicture:
    """A measured blot cut into one strip a target, over all its lanes.

    Args:
        blot: as measured; it carries the picture's own pixels.
        lanes: what each lane holds, in the order of `blot.lanes`.
        name: of the blot; its file's name by default.
        targets: which bands are shown, in which order; all of them, from top to bottom, by default.
        weights: molecular weight by target, as printed: `{"HER2": "185 kDa"}`.

    Raises:
        ValueError: there are not as many labels as lanes.
    """
    if len(lanes) != len(blot.lanes):
        raise ValueError(f"{len(lanes)} labels for {len(blot.lanes)} lanes of {name or blot.name}")
    rows, columns = blot.signal.shape
    left = max(0, min(edge[0] for edge in blot.lanes))
    right = min(columns, max(edge[1] for edge in blot.lanes))
    found: list[Strip] = []
    for target in targets or dict.fromkeys(band.name for band in blot.bands):
        bands = tuple(band for band in blot.bands if band.name == target)
        top = max(0, min(band.top for band in bands) - AROUND)
        bottom = min(rows, max(band.bottom for band in bands) + AROUND)
        cut = (slice(top, bottom), slice(left, right))
        signal = blot.signal[cut]
        limits = Limits(float(signal.min()), float(signal.max()))
        weight = (weights or {}).get(target, "")
        found.append(Strip(target, weight, top, signal, blot.clipped[cut], bands, limits))
    return BlotPicture(
        name or blot.name, blot.name, blot.sha256, tuple(lanes), blot.lanes, tuple(found), left, blot.zero, blot.dark,
        blot.degrees, blot.findings,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the parts of a blot lie, in mm: the strips' left edge, their width, the height of all."""

    side: float
    width: float
    right: float
    heights: tuple[float, ...]
    names: tuple[tuple[str, ...], ...]
    turned: bool
    height: float


def ends_of(one: BlotPicture, strip: Strip) -> tuple[str, str]:
    """`white 312`, `black 40 211`: the file's pixel values at the ends of the grey scale."""
    white, black = one.grey(strip.limits.low), one.grey(strip.limits.high)
    return f"white {number(white, 0)}", f"black {number(black, 0)}"


def plan_of(one: BlotPicture, room: float) -> Plan:
    """How a blot is laid out in `room` mm."""
    side = 2.0 + max(
        max(width_of(clean(strip.target), SIZE, "bold"), width_of(clean(strip.weight), SMALL))
        for strip in one.strips
    )
    right = 1.4 + max(width_of(word, TINY) for strip in one.strips for word in ends_of(one, strip))
    words = [clean(lane.culture or lane.word) for lane in one.lanes]
    longest = max(width_of(part, SMALL) for word in words for part in word.split() or [""]) + 0.8
    width = min(room - side - right, max(USUAL, min(WIDEST, longest)) * len(one.lanes))
    columns = one.strips[0].signal.shape[1]
    heights = tuple(strip.signal.shape[0] / columns * width for strip in one.strips)
    pitch = width / len(one.lanes)
    wrapped = tuple(tuple(wrap(word, pitch - 0.6, SMALL)) for word in words)
    whole = all(
        set(" ".join(lines).split()) == set(word.split()) for lines, word in zip(wrapped, words, strict=True)
    )
    turned = not whole or max(map(len, wrapped)) > 2
    names = tuple((word,) for word in words) if turned else wrapped
    tall = (
        max(width_of(word, SMALL) for word in words) if turned else max(map(len, names)) * line_height(SMALL)
    )
    experiments = line_height(SMALL) + 1.6 if any(lane.experiment for lane in one.lanes) else 0.0
    body = sum(_slot(strip, height) for strip, height in zip(one.strips, heights, strict=True))
    height = line_height(SIZE) + 1.4 + body + tall + 2.0 + experiments
    return Plan(side, width, right, heights, names, turned, height)


def _slot(strip: Strip, height: float) -> float:
    """Height that a strip takes with the signs below it."""
    return max(height, 2 * line_height(TINY)) + (2.6 if any(band.reason for band in strip.bands) else 0) + 1.2


def draw_blot(page: Page, one: BlotPicture, plan: Plan, left: float, top: float, *, windows: bool) -> None:
    """A blot at (left, top): its name, its strips with target, weight and grey scale, its lanes below."""
    page.text(left, top + 1.8, clean(one.name), size=SIZE, weight="bold")
    y = top + line_height(SIZE) + 1.4
    for strip, height in zip(one.strips, plan.heights, strict=True):
        box = Box(left + plan.side, y, left + plan.side + plan.width, y + height)
        _strip(page, one, strip, box, left, windows=windows)
        y += _slot(strip, height)
    _lanes(page, one, plan, left + plan.side, y)


def _strip(page: Page, one: BlotPicture, strip: Strip, box: Box, left: float, *, windows: bool) -> None:
    place(page, box, grey_levels(strip.signal, strip.limits, inverted=True), strip.clipped)
    page.rectangle(box, edge=INK, width=0.4)
    middle = (box.top + box.bottom) / 2
    shift = line_height(SMALL) / 2 if strip.weight else 0.0
    page.text(left, middle - shift, clean(strip.target), size=SIZE, weight="bold")
    page.text(left, middle + shift, clean(strip.weight), size=SMALL, colour=MUTED)
    page.lines(
        box.right + 1.4, middle - line_height(TINY), list(ends_of(one, strip)), size=TINY, colour=MUTED
    )
    scale = (box.right - box.left) / strip.signal.shape[1]
    for band in strip.bands:
        kind = next((kind for kind in SIGNS if (band.reason or "").startswith(kind)), "")
        x0, x1 = (box.left + scale * (edge - one.left) for edge in (band.left, band.right))
        if windows:
            y0, y1 = (box.top + scale * (row - strip.top) for row in (band.top, band.bottom))
            dash = (0, (2, 1.5)) if kind else "-"
            inside = Box(max(x0, box.left), max(y0, box.top), min(x1, box.right), min(y1, box.bottom))
            page.rectangle(inside, edge=OUTLINES[kind], width=0.5, linestyle=dash)
        page.text(
            (x0 + x1) / 2, box.bottom + 1.5, SIGNS.get(kind, ""), size=TINY, colour=MUTED, align="center"
        )


def _lanes(page: Page, one: BlotPicture, plan: Plan, left: float, top: float) -> None:
    """The lanes' cultures, and a line under the lanes of each experiment."""
    scale = plan.width / one.strips[0].signal.shape[1]
    places = [left + scale * ((a + b) / 2 - one.left) for a, b in one.edges]
    half = scale * min(b - a for a, b in one.edges) / 2 - 0.6
    tall = 0.0
    for middle, words in zip(places, plan.names, strict=True):
        if plan.turned:
            size = width_of(words[0], SMALL)
            page.text(middle, top + 1.0 + size / 2, words[0], size=SMALL, align="center", rotation=90)
            tall = max(tall, size)
        else:
            page.lines(middle, top + 0.4, list(words), size=SMALL, align="center")
            tall = max(tall, len(words) * line_height(SMALL))
    y = top + tall + 2.0
    for experiment, run in groupby(range(len(one.lanes)), key=lambda at: one.lanes[at].experiment):
        own = [places[at] for at in run]
        if experiment:
            page.line((own[0] - half, own[-1] + half), (y, y), colour=MUTED, width=0.6)
            page.text((own[0] + own[-1]) / 2, y + 2.0, f"experiment {clean(experiment)}", size=SMALL, colour=MUTED,
                      align="center")  # fmt: skip
