"""Survival curves with the table that belongs to them.

At risk, censored and events stand under their tick (KMunicate: Morris et al. 2019, BMJ Open 9:e030215); where
fewer than a tenth of a group are left the curve fades and its band ends (Pocock, Clayton and Altman 2002,
Lancet 359:1686).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.core.units import DAYS_PER
from sequela.core.wording import DASH, PLAIN, Style
from sequela.report.figures.counts import is_delayed, risk_counts
from sequela.report.figures.figure import Figure
from sequela.report.figures.page import WIDTHS, Width, clean, width_of
from sequela.report.figures.summary import Summary, summary
from sequela.report.figures.survival_plot import SMALL, Group, Look, draw
from sequela.report.palette import Colour, colour

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from sequela.core.estimate import Curve

TENTH: Final = 0.1
_BREAKS: Final = {
    "day": (7, 14, 28, 56, 91, 182, 365, 730),
    "week": (1, 2, 4, 8, 13, 26, 52, 104, 260),
    "month": (1, 2, 3, 6, 12, 24, 36, 60, 120, 240),
    "year": (0.5, 1, 2, 5, 10, 20, 50),
}


def kaplan_meier(
    curves: Mapping[str, Curve],
    *,
    id: str = "kaplan-meier",
    title: str = "",
    time_unit: str = "month",
    x_label: str | None = None,
    y_label: str = "Survival",
    annotations: Sequence[str] = (),
    percent: bool = True,
    max_time: float | None = None,
    breaks: Sequence[float] | None = None,
    landmarks: Sequence[float] = (),
    entries: Mapping[str, ArrayLike] | None = None,
    note: str = "",
    width: Width = "double",
    style: Style = PLAIN,
    banner: str | None = None,
) -> Figure:
    """One to six survival curves with bands, medians, and the numbers at risk, censored and with an event.

    Args:
        curves: label to curve, in the order of the legend.
        id, title: of the figure.
        time_unit: unit of the time axis; curves are converted from their own.
        x_label, y_label: axis labels without their unit.
        annotations: sentences such as a hazard ratio and a test, printed as they are.
        percent: 0 to 100 instead of 0 to 1.
        max_time: end of the axis in `time_unit`, by default the last exit.
        breaks: ticks in `time_unit`.
        landmarks: times in `time_unit` at which survival with its interval is added to the summary.
        entries: label to entry times of its subjects in the unit of the curve, with delayed entry.
        note: a sentence added to the caption.
        width: "single" (85 mm) or "double" (170 mm).
        style: house style of numbers.
        banner: a warning printed in the picture.

    Raises:
        UsageError: no curve, or more than six.
    """
    if not 1 <= len(curves) <= 6:
        raise UsageError(
            Finding("F100", "error", "a survival plot takes one to six curves", found=str(len(curves)),
                    remedy="split the groups over several figures")
        )  # fmt: skip
    last = max_time or max(
        _in_unit(curve, time_unit, curve.time[-1]) for curve in curves.values() if len(curve.time)
    )
    page_width = WIDTHS[width]
    ticks = np.asarray(breaks if breaks is not None else _breaks(curves, last, time_unit, page_width), float)
    groups = _groups(curves, time_unit, ticks, 100.0 if percent else 1.0, entries or {})
    digest = summary(curves, time_unit, landmarks, [clean(text) for text in annotations], style, percent)
    x_words = f"{clean(x_label) if x_label else 'Time'} ({time_unit}s)"
    y_words = f"{clean(y_label)} (%)" if percent else clean(y_label)
    look = Look(float(last), 100.0 if percent else 1.0, x_words, y_words, page_width, banner)
    return Figure(
        id=id,
        title=title or y_label,
        caption=_caption(groups, digest, bool(entries), note),
        alt=_alt(digest, y_label),
        data=_data(groups, time_unit),
        draw=draw(groups, digest, ticks, look),
        banner=banner,
        more={"at-risk": _count_data(groups, ticks, time_unit)},
    )


def _in_unit(curve: Curve, unit: str, time: Any) -> Any:
    return time * DAYS_PER[curve.unit] / DAYS_PER[unit]


def _breaks(curves: Mapping[str, Curve], last: float, unit: str, width: float) -> list[float]:
    """The closest usual spacing whose counts stay apart."""
    widest = width_of(f"{max(curve.n for curve in curves.values())}", SMALL) + 3.0
    room = (width - 26) / max(widest, 9 if width < 100 else 13)
    step = next((step for step in _BREAKS[unit] if last / step <= room), last)
    return [step * place for place in range(int(last / step + 1e-9) + 1)]


def _groups(
    curves: Mapping[str, Curve], unit: str, ticks: NDArray[Any], top: float, entries: Mapping[str, ArrayLike]
) -> list[Group]:
    return [
        _group(clean(name), curve, colour(place), unit, ticks, top, entries.get(name))
        for place, (name, curve) in enumerate(curves.items())
    ]


def _group(
    name: str, curve: Curve, hue: Colour, unit: str, ticks: NDArray[Any], top: float, entry: ArrayLike | None
) -> Group:
    def from_one(values: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([[1.0], values]) * top

    enough = np.flatnonzero(curve.at_risk >= TENTH * curve.at_risk.max(initial=0))
    tail = curve.time[enough[-1]] if len(enough) else 0.0
    own_ticks = ticks * DAYS_PER[unit] / DAYS_PER[curve.unit]
    return Group(
        name=name,
        curve=curve,
        colour=hue,
        time=np.concatenate([[0.0], _in_unit(curve, unit, curve.time)]),
        survival=from_one(curve.survival),
        lower=from_one(curve.lower),
        upper=from_one(curve.upper),
        tail=float(_in_unit(curve, unit, tail)),
        median=float(_in_unit(curve, unit, curve.median().value)),
        counts=risk_counts(curve, own_ticks, entry),
    )


def _caption(groups: list[Group], digest: Summary, exact: bool, note: str) -> str:
    curve = groups[0].curve
    parts = [
        f"{curve.method} estimates with pointwise {100 * curve.level:g}% confidence bands "
        f"({curve.interval} interval); ticks mark censored patients, dotted lines the medians.",
        "Below: numbers at risk just before each time, and censored and with an event before it.",
        "Curves fade and bands end where fewer than 10% of the largest number at risk remain.",
    ]
    if any(is_delayed(group.curve) for group in groups):
        parts.append(
            "Patients come under observation after the time origin (delayed entry): at risk are those who "
            "have entered and not yet left, so that the number can rise."
        )
        if not exact:
            parts.append("Between exits it is that of the next exit.")
    parts.append("CI, confidence interval; NR, not reached.")
    if any(DASH in row for row in digest.cells):
        parts.append(f"{DASH}, beyond the last follow-up.")
    return " ".join([*parts, note]).strip()


def _alt(digest: Summary, y_label: str) -> str:
    heads = [" ".join(head).strip() for head in digest.heads]
    groups = [
        f"{name}: " + "; ".join(f"{head} {cell}" for head, cell in zip(heads, cells, strict=True))
        for name, cells in zip(digest.names, digest.cells, strict=True)
    ]
    return ". ".join([f"Survival curves, {y_label}", *groups, *digest.sentences]) + "."


def _data(groups: list[Group], unit: str) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"group": [], f"time_{unit}s": []}
    names = ("survival", "lower", "upper", "at_risk", "events", "censored")
    columns |= {name: [] for name in names}
    for group in groups:
        columns["group"] += [group.name] * len(group.curve.time)
        columns[f"time_{unit}s"] += group.time[1:].tolist()
        for name in names:
            columns[name] += getattr(group.curve, name).tolist()
    return columns


def _count_data(groups: list[Group], ticks: NDArray[Any], unit: str) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        "group": [],
        f"time_{unit}s": [],
        "at_risk": [],
        "censored": [],
        "events": [],
    }
    for group in groups:
        columns["group"] += [group.name] * len(ticks)
        columns[f"time_{unit}s"] += ticks.tolist()
        for name in ("at_risk", "censored", "events"):
            columns[name] += getattr(group.counts, name).tolist()
    return columns
