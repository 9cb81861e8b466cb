"""What a check of the audit says: a verdict, the figures it stands on, one sentence, and where it comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sequela.core.wording import DASH, interval, number, p_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sequela.core.estimate import Estimate
    from sequela.core.finding import Finding

Outcome = Literal["pass", "warn", "fail", "not applicable"]
SEVERITY: dict[Outcome, int] = {"fail": 0, "warn": 1, "pass": 2, "not applicable": 3}


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of figures.

    Attributes:
        label: what is counted or estimated, with its unit.
        values: one number per arm, or a single one for the whole comparison; None where there is none.
        texts: the same as printed.
    """

    label: str
    values: tuple[float | None, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one check.

    Attributes:
        code: see `sequela explain CODE`.
        title: what is looked at.
        verdict: pass, warn, fail, or not applicable.
        sentence: what the figures mean, in one sentence; of a check that does not apply, why.
        figures: what the verdict stands on, by arm.
        reference: where the check and its formula come from.
        remedy: what to do.
    """

    code: str
    title: str
    verdict: Outcome
    sentence: str
    figures: tuple[Figure, ...] = ()
    reference: str = ""
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; a number that does not exist is null."""
        return {
            "code": self.code,
            "title": self.title,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "figures": [
                {"label": figure.label, "values": list(figure.values), "texts": list(figure.texts)}
                for figure in self.figures
            ],
            "reference": self.reference,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Audit:
    """Every verdict on one comparison.

    Attributes:
        comparison: endpoint and arms in words.
        arms: their names, the reference first.
        verdicts: in the order of the checks.
        unanswerable: why the question cannot be answered in these data, or None.
    """

    comparison: str
    arms: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    unanswerable: str | None

    def count(self, verdict: Outcome) -> int:
        """How many checks end in `verdict`."""
        return sum(one.verdict == verdict for one in self.verdicts)


def numbers(label: str, values: Sequence[float], digits: int = 1) -> Figure:
    """Numbers by arm."""
    known = tuple(_known(value) for value in values)
    return Figure(label, known, tuple(DASH if v is None else number(v, digits) for v in known))


def years(label: str, values: Sequence[float]) -> Figure:
    """Calendar years by arm, with one decimal."""
    return Figure(label, tuple(map(_known, values)), tuple(f"{value:.1f}" for value in values))


def shares(label: str, values: Sequence[float]) -> Figure:
    """Shares by arm, as percentages; the values stay shares."""
    known = tuple(_known(value) for value in values)
    return Figure(label, known, tuple(DASH if v is None else f"{number(100 * v, 0)}%" for v in known))


def p_values(label: str, values: Sequence[float]) -> Figure:
    """p-values by arm, or one for the comparison."""
    known = tuple(_known(value) for value in values)
    return Figure(label, known, tuple(DASH if v is None else p_value(v) for v in known))


def estimates(label: str, found: Iterable[Estimate], scale: float = 1.0, digits: int = 1) -> Figure:
    """Estimates with their intervals, divided by `scale` (days per month, say); a missing one says why."""
    values, texts = list[float | None](), list[str]()
    for one in found:
        value = _known(one.value / scale)
        limits = _limits(one, scale, digits)
        values.append(value)
        texts.append((one.reason or DASH) if value is None else number(value, digits) + limits)
    return Figure(label, tuple(values), tuple(texts))


def _limits(one: Estimate, scale: float, digits: int) -> str:
    if math.isnan(one.lower):
        return ""
    return f" ({interval(one.lower / scale, one.upper / scale, digits)})"


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def not_applicable(code: str, title: str, why: str) -> Verdict:
    """A check that has nothing to look at."""
    return Verdict(code, title, "not applicable", why)


def design_verdicts(findings: Sequence[Finding]) -> tuple[Verdict, ...]:
    """GT001 to GT003 as verdicts: what the study file alone says, over all its endpoints."""
    return tuple(
        _design_verdict(code, title, sentence, [f for f in findings if f.code == code])
        for code, title, sentence in (
            ("GT001", "Patients chosen by their future", "patients are chosen by what happens after the clock starts"),
            ("GT002", "Groups earned after the clock starts", "a patient must survive to belong to a group"),
            ("GT003", "Covariates from the future", "a consequence is adjusted for as if it were a cause"),
        )
    )  # fmt: skip


def _design_verdict(code: str, title: str, sentence: str, found: list[Finding]) -> Verdict:
    reference = "Suissa, Am J Epidemiol 2008;167:492; Giobbie-Hurder et al., J Clin Oncol 2013;31:2963"
    if not found:
        return Verdict(code, title, "pass", "Everything is settled when the clock starts.", (), reference)
    names = ", ".join(str(one.where.field).removeprefix("endpoints.") for one in found)
    grave = any(one.severity == "error" for one in found)
    return Verdict(
        code,
        title,
        "fail" if grave else "warn",
        f"In {names}, {sentence}: {_some((found[0].found or '').replace('`', ''))}.",
        (),
        reference,
        found[0].remedy or "",
    )


def _some(listed: str, most: int = 2) -> str:
    """The first of a list, and how many more."""
    parts = listed.split("; ")
    more = f"; and {len(parts) - most} more" if len(parts) > most else ""
    return "; ".join(parts[:most]) + more
