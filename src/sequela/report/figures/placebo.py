"""Hazard ratios of worlds without an effect, one row a method, and where the observed one stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.core.wording import number
from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Box, Page, clean, head_room, line_height, wrap
from sequela.report.palette import HAIR, INK, MUTED, PALETTE, tint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.audit.placebo import Method, Placebo

SIZE: Final = 8.0
SMALL: Final = 7.0
ROW: Final = 15.0  # mm
HIGH: Final = 10.5  # mm, of the tallest bar
LABEL: Final = 46.0  # mm
RIGHT: Final = 32.0  # mm
BINS: Final = 44
TICKS: Final = (0.1, 0.2, 0.25, 0.33, 0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 8.0, 10.0)


def placebo(found: Placebo, *, id: str = "placebo", banner: str | None = None) -> Figure:
    """A histogram a method on one logarithmic axis; the share with p < 0.05 stands beside it.

    Args:
        found: see `sequela.audit.placebo`.
        id: of the figure.
        banner: a warning printed in the picture.
    """
    return Figure(
        id=id,
        title="What this design gives where the treatment does nothing",
        caption=(
            f"Hazard ratios of {found.runs} invented worlds in which no treatment does anything, "
            f"{clean(found.comparison)}. Upright line through a row: the median of the worlds. Diamond: observed. "
            "At the right: share of the worlds with p < 0.05; 5% would be right."
        ),
        alt="Histograms. " + " ".join(_phrase(method) for method in found.methods),
        data={
            "run": [run for _ in found.methods for run in range(1, found.runs + 1)],
            "method": [clean(m.label) for m in found.methods for _ in range(found.runs)],
            "hazard_ratio": [float(value) for m in found.methods for value in m.ratios],
            "p": [float(value) for m in found.methods for value in m.p],
        },
        draw=_draw(found, banner),
        banner=banner,
    )


def _phrase(method: Method) -> str:
    middle, low, high = method.middle
    observed = "" if method.observed is None else f", observed {number(method.observed)}"
    return (
        f"{clean(method.label)}: median {number(middle)}, 95% of the worlds {number(low)} to {number(high)}, "
        f"p below 0.05 in {100 * method.rejected[0]:.0f}%{observed}."
    )


def _draw(found: Placebo, banner: str | None) -> Any:
    methods = [method for method in found.methods if method.known]
    whole, top = WIDTHS["double"], head_room(banner)
    head = 2 * line_height(SMALL) + 1.5
    page = Page(whole, top + head + ROW * len(methods) + 11.0, banner)
    left, right = LABEL, whole - RIGHT
    low, high = _range(methods)

    def x(ratio: float) -> float:
        return left + (np.log(ratio) - low) / (high - low) * (right - left)

    page.lines(right + 3.0, top + 1.4, ["p < 0.05", f"in {found.runs} worlds"], size=SMALL, colour=MUTED)
    floor = top + head + ROW * len(methods)
    page.line((x(1.0), x(1.0)), (top + head - 1.0, floor), colour=MUTED, width=0.6, linestyle=(0, (2, 2)))
    for place, method in enumerate(methods):
        _row(page, method, top + head + ROW * place, x, (low, high), first=place == 0)
    page.line((left, right), (floor, floor), width=0.7)
    for tick in _ticks(low, high):
        page.line((x(tick), x(tick)), (floor, floor + 0.9), width=0.7)
        page.text(x(tick), floor + 3.0, f"{tick:g}", size=SMALL, align="center")
    page.text((left + right) / 2, floor + 7.4, "Hazard ratio (logarithmic)", size=SIZE, align="center")
    return page.drawing


def _range(methods: Sequence[Method]) -> tuple[float, float]:
    """Limits on the log scale that hold 1, the middle 99% of every method and what was observed."""
    values = [np.log(np.quantile(m.ratios[np.isfinite(m.ratios)], [0.005, 0.995])) for m in methods]
    seen = [np.log(m.observed) for m in methods if m.observed is not None]
    ends = np.concatenate([*values, np.array(seen), np.zeros(1)])
    return float(ends.min()) - 0.06, float(ends.max()) + 0.06


def _ticks(low: float, high: float) -> list[float]:
    inside = [tick for tick in TICKS if low <= np.log(tick) <= high]
    step = max(1, -(-len(inside) // 9))
    middle = inside.index(1.0) if 1.0 in inside else 0
    return [tick for place, tick in enumerate(inside) if (place - middle) % step == 0]


def _row(page: Page, method: Method, top: float, x: Any, ends: tuple[float, float], *, first: bool) -> None:
    """One histogram on its own base line, its label and its rate."""
    base = top + ROW - 1.2
    hue = PALETTE[0].line if first else PALETTE[1].line
    edges = np.exp(np.linspace(*ends, BINS + 1))
    counts, _ = np.histogram(np.clip(method.ratios[np.isfinite(method.ratios)], edges[0], edges[-1]), edges)
    page.line((x(edges[0]), x(edges[-1])), (base, base), colour=HAIR, width=0.6)
    _bars(page, counts, edges, base, x, tint(hue, 0.5))
    middle = method.middle[0]
    page.line((x(middle), x(middle)), (base, base - HIGH - 0.6), colour=hue, width=1.1)
    if method.observed is not None:
        page.line((x(method.observed),), (base,), marker="D", markersize=4.6, colour=INK, linestyle="none")
    words = wrap(clean(method.label), LABEL - 4.0, SIZE, "bold" if first else "normal")
    page.lines(
        0.0,
        base - HIGH / 2 - line_height(SIZE) * (len(words) - 1) / 2,
        words,
        size=SIZE,
        weight="bold" if first else "normal",
    )
    rate, low, high = method.rejected
    page.text(
        LABEL + (x(edges[-1]) - LABEL) + 3.0, base - 6.4, f"{100 * rate:.0f}%", size=SIZE + 1, weight="bold"
    )
    page.text(
        LABEL + (x(edges[-1]) - LABEL) + 3.0,
        base - 2.2,
        f"95% CI {100 * low:.0f} to {100 * high:.0f}",
        size=SMALL,
        colour=MUTED,
    )


def _bars(page: Page, counts: NDArray[Any], edges: NDArray[Any], base: float, x: Any, fill: str) -> None:
    tallest = max(int(counts.max()), 1)
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            page.rectangle(Box(x(low), base - HIGH * count / tallest, x(high), base), fill=fill)
