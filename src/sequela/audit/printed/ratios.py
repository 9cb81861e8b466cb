"""Ratios against their intervals and p-values, medians against their intervals and follow-up.

A Wald interval of a ratio is symmetric on the logarithmic scale: HR = sqrt(lower x upper), and its p-value is that of
z = log HR / se with se = log(upper / lower) / (2 z_level). Every printed number stands for the stretch that rounds to
it, so HR, interval and z are stretches too, and only what no value in them explains is reported. Likelihood-ratio,
score and log-rank p-values differ a little from Wald's: a tenth of z is allowed for that.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Final

from sequela.core.estimate import normal_p, normal_quantile
from sequela.core.finding import Finding
from sequela.core.wording import p_value as worded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sequela.audit.printed.content import Document, Median, Ratio
    from sequela.audit.printed.numbers import Printed, Span

SLACK: Final = 0.10  # share of z by which the usual tests of one ratio may differ
OTHERWISE: Final = (
    "bootstrap",
    "percentile",
    "profile",
    "exact",
    "permutation",
)  # intervals that need not be even
ASIDE: Final = 0.10  # standard errors by which profile or bootstrap intervals may be off the middle

Range = tuple[float, float]


def check_ratios(ratios: Sequence[Ratio]) -> Iterator[Finding]:
    """Every finding on ratios."""
    for ratio in ratios:
        finding = _order(ratio) or _outside(ratio.span, ratio) or _aside(ratio) or _p(ratio)
        if finding:
            yield finding


def check_medians(document: Document) -> Iterator[Finding]:
    """Every finding on medians."""
    for median in document.medians:
        if median.span and (finding := _outside(median.span, median)):
            yield finding
        if median.longest and median.value.low > median.longest.high:
            yield Finding(
                "P501",
                "error",
                "the median lies beyond the longest follow-up",
                median.where,
                found=f"{median.label}: {median.value}",
                allowed=f"at most {median.longest}",
                remedy="mend the median or the follow-up",
            )
    yield from _immature(document.medians)


def _immature(medians: Sequence[Median]) -> Iterator[Finding]:
    """One note for all medians without an interval that lie beyond the median follow-up."""
    beyond = [
        m
        for m in medians
        if m.span is None and m.follow_up and math.isfinite(m.value.value) and m.value.low > m.follow_up.high
    ]
    if beyond:
        yield Finding(
            "P502",
            "note",
            "medians beyond the median follow-up, printed without an interval: they rest on few patients",
            beyond[0].where,
            found="; ".join(f"{m.label} {m.value}" for m in beyond),
            allowed=f"median follow-up {beyond[0].follow_up}",
            remedy="print the interval of each median and the numbers at risk, by group",
        )


def _order(ratio: Ratio) -> Finding | None:
    lower, upper = ratio.span.lower, ratio.span.upper
    if lower.low > upper.high or upper.high <= 0 or lower.high < 0:
        return Finding(
            "P401",
            "error",
            "the limits of the interval are in the wrong order, or below 0",
            ratio.where,
            found=str(ratio.span),
            allowed="0 < lower limit < upper limit",
            remedy="mend the limit",
        )
    return None


def _outside(span: Span, what: Ratio | Median) -> Finding | None:
    if span.value.high >= span.lower.low and span.value.low <= span.upper.high:
        return None
    return Finding(
        "P402",
        "error",
        "the estimate lies outside its own interval",
        what.where,
        found=f"{what.label}: {span}",
        allowed=f"between {span.lower} and {span.upper}",
        remedy="mend the estimate or the limit",
    )


def _positive(printed: Printed) -> Range:
    return max(printed.low, 1e-12), max(printed.high, 1e-12)


def middle(span: Span) -> Range:
    """The stretch of geometric midpoints of the interval."""
    (a, b), (c, d) = _positive(span.lower), _positive(span.upper)
    return math.sqrt(a * c), math.sqrt(b * d)


def standard_error(span: Span, level: float) -> Range:
    """The stretch of standard errors of the log ratio."""
    (a, b), (c, d) = _positive(span.lower), _positive(span.upper)
    width = 2 * normal_quantile(level)
    return max(math.log(c / b) / width, 1e-9), max(math.log(d / a) / width, 1e-9)


def _z(ratio: Range, errors: Range) -> Range:
    """The stretch of |log ratio / se|."""
    logs = math.log(ratio[0]), math.log(ratio[1])
    values = [abs(x / s) for x, s in product(logs, errors)]
    return 0.0 if logs[0] <= 0 <= logs[1] else min(values), max(values)


def _finite(ratio: Ratio) -> bool:
    return math.isfinite(ratio.span.upper.value) and ratio.span.value.high > 0


def _wald(ratio: Ratio) -> bool:
    """Whether the interval can be held against the ratio and p: not where its label says that it is of another kind."""
    return _finite(ratio) and not any(word in ratio.label.lower() for word in OTHERWISE)


def _aside(ratio: Ratio) -> Finding | None:
    """P403: no rounding brings the ratio to the middle of its interval."""
    if not _wald(ratio):
        return None
    span, (low, high) = ratio.span, middle(ratio.span)
    value = _positive(span.value)
    gap = max(math.log(value[0] / high), math.log(low / value[1]), 0.0)
    if gap == 0:
        return None
    errors = standard_error(span, ratio.level)
    centre = math.sqrt(low * high)
    message = "the ratio is not in the middle of its interval"
    if ratio.p:
        of_middle, of_ratio = _p_range(_z((low, high), errors)), _p_range(_z(value, errors))
        if _meets(ratio.p, of_middle) and not _meets(ratio.p, of_ratio):
            message += f"; the printed p belongs to the middle, {centre:.2f}"
    return Finding(
        "P403",
        "error" if gap > ASIDE * errors[1] else "warning",
        message,
        ratio.where,
        found=f"{ratio.label}: {span}" + (f", p {ratio.p}" if ratio.p else ""),
        allowed=f"{low:.2f} to {high:.2f} for these limits" + _worded_p(ratio, value, errors),
        remedy="mend the ratio or the limit; if the interval is no Wald interval, say which it is",
    )


def _worded_p(ratio: Ratio, value: Range, errors: Range) -> str:
    if ratio.p is None:
        return ""
    low, high = _p_range(_z(value, errors))
    return f"; the printed ratio would have p {worded(low)} to {worded(high)}"


def _p_range(z: Range) -> Range:
    return normal_p(z[1]), normal_p(z[0])


def _meets(p: Printed, stretch: Range) -> bool:
    return p.low <= stretch[1] + 1e-12 and p.high >= stretch[0] - 1e-12


def _p(ratio: Ratio) -> Finding | None:
    """P404: no rounding, and no other usual test of the same ratio, gives the printed p-value."""
    if ratio.p is None or not _wald(ratio):
        return None
    errors = standard_error(ratio.span, ratio.level)
    low, high = _z(_positive(ratio.span.value), errors)
    strict = _p_range((low, high))
    if _meets(ratio.p, _p_range((low * (1 - SLACK), high * (1 + SLACK)))):
        return None
    return Finding(
        "P404",
        "error",
        "the p-value does not belong to the interval",
        ratio.where,
        found=f"{ratio.label}: {ratio.span}, p {ratio.p}",
        allowed=f"p {worded(strict[0])} to {worded(strict[1])}",
        remedy="mend the p-value or the interval, or name the test if it is not of this ratio",
    )
