"""Univariate models, then one multivariable model of those with p <= 0.05; and what that selection costs.

The choice is part of the method: it is repeated in bootstrap samples. A variable that enters in few of
them, or whose hazard ratio spreads widely, was a chance finding. Sources: Heinze, Wallisch and Dunkler
(Biometrical Journal 2018); Sauerbrei and Schumacher (Stat Med 1992).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding
from sequela.estimates.cox import CoxModel, cox
from sequela.estimates.design import design
from sequela.estimates.resampling import draws
from sequela.estimates.spoken import Spoken

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from sequela.core.outcome import Times


@dataclass(frozen=True, eq=False, repr=False)
class Selection(Spoken):
    """Univariate models by variable, the multivariable model, and bootstrap figures per variable.

    Attributes:
        univariate: {variable: model}; `p` its overall p-value (Wald test of all its columns).
        model: the multivariable model of the chosen variables, None when none enters.
        chosen: the variables that entered.
        inclusion: {variable: share of bootstrap samples in which it entered}.
        spread: {column: (2.5 %, 50 %, 97.5 %) of its hazard ratio where it entered}.
        samples: bootstrap samples.
    """

    univariate: dict[str, CoxModel]
    p: dict[str, float]
    model: CoxModel | None
    chosen: tuple[str, ...]
    inclusion: dict[str, float]
    spread: dict[str, tuple[float, float, float]]
    samples: int
    entry: float = 0.05

    @property
    def method(self) -> str:
        """The procedure, and how often it was repeated."""
        again = f", repeated in {self.samples} bootstrap samples" if self.samples else ""
        return f"univariate Cox models, those with p <= {self.entry:g} together{again}"

    def sentence(self) -> str:
        """Who entered, and in how many of the samples."""
        if not self.chosen:
            return f"{self.method}: no variable entered"
        shares = [
            f"{name} ({100 * self.inclusion[name]:.0f}% of samples)" if name in self.inclusion else name
            for name in self.chosen
        ]
        return f"{self.method}: {', '.join(shares)}"

    def frame(self) -> pl.DataFrame:
        """One row a column of the models.

        variable, term; hazard ratio with limits and p alone, then together (null where it did not enter);
        inclusion (share of samples in which the variable entered); low, middle and high: 2.5 %, 50 % and 97.5 %
        of its hazard ratio in the samples in which it entered.
        """
        import polars as pl

        together = (
            {} if self.model is None else dict(zip(self.model.names, self.model.hazard_ratios(), strict=True))
        )
        rows: list[dict[str, Any]] = []
        for variable, model in self.univariate.items():
            for term, alone in zip(model.names, model.hazard_ratios(), strict=True):
                row: dict[str, Any] = {"variable": variable, "term": term}
                for prefix, ratio in (("alone", alone), ("together", together.get(term))):
                    for key in ("value", "lower", "upper", "p"):
                        row[f"{prefix}_{key}"] = None if ratio is None else getattr(ratio, key)
                row["p_entry"] = self.p[variable]
                row["chosen"] = variable in self.chosen
                row["inclusion"] = self.inclusion.get(variable)
                row |= dict(zip(("low", "middle", "high"), self.spread.get(term, (None,) * 3), strict=True))
                rows.append(row)
        numbers = [name for name in rows[0] if name not in ("variable", "term", "chosen")] if rows else []
        return pl.DataFrame(
            rows, schema_overrides=dict.fromkeys(numbers, pl.Float64), infer_schema_length=None
        )


def univariate(times: Times, variables: dict[str, Any], **options: Any) -> dict[str, CoxModel]:
    """One Cox model per variable; each variable is whatever `cox` takes as one column."""
    return {name: cox(times, {name: column}, **options) for name, column in variables.items()}


def select(
    times: Times,
    variables: dict[str, Any],
    rng: np.random.Generator | None = None,
    samples: int = 0,
    entry: float = 0.05,
    reference: dict[str, Any] | None = None,
    **options: Any,
) -> Selection:
    """Fit each variable alone, and together those whose Wald p-value is at most `entry`.

    Args:
        times: n subjects.
        variables: {name: n values}, numbers or text.
        rng, samples: bootstrap of the whole procedure, by subject; `rng` is needed when samples > 0.
        entry: largest univariate p-value that enters.
        reference: {variable: level} of text variables.
    """
    blocks = {
        name: design({name: column}, len(times), reference=reference) for name, column in variables.items()
    }
    everyone = np.arange(len(times))
    p, models, model, chosen = _procedure(times, blocks, everyone, entry, options)
    entered = dict.fromkeys(variables, 0)
    ratios: dict[str, list[float]] = {}
    if samples and rng is None:
        remedy = "rng=np.random.default_rng(seed)"
        raise UsageError(Finding("E199", "error", "a bootstrap needs a generator", remedy=remedy))
    for rows in draws(len(times), rng, samples) if rng is not None else ():
        _, _, again, names = _procedure(times, blocks, rows, entry, options)
        for name in names:
            entered[name] += 1
        if again is not None:
            for name, b in zip(again.names, again.coef, strict=True):
                ratios.setdefault(name, []).append(math.exp(b) if b == b and b < 700 else math.nan)
    inclusion = {name: count / samples for name, count in entered.items()} if samples else {}
    spread = {name: _quantiles(values) for name, values in ratios.items()}
    return Selection(models, p, model, chosen, inclusion, spread, samples, entry)


def _procedure(
    times: Times, blocks: dict[str, Any], rows: NDArray[Any], entry: float, options: dict[str, Any]
) -> tuple[dict[str, float], dict[str, CoxModel], CoxModel | None, tuple[str, ...]]:
    part = times.take(rows)
    models = {
        name: cox(part, values[rows], names=columns, **options) for name, (values, columns) in blocks.items()
    }
    p = {name: model.tests["wald"].p for name, model in models.items()}
    chosen = tuple(name for name, value in p.items() if value <= entry)
    if not chosen:
        return p, models, None, chosen
    matrix = np.column_stack([blocks[name][0][rows] for name in chosen])
    names = tuple(column for name in chosen for column in blocks[name][1])
    return p, models, cox(part, matrix, names=names, **options), chosen


def _quantiles(values: list[float]) -> tuple[float, float, float]:
    low, middle, high = np.nanquantile(values, [0.025, 0.5, 0.975])
    return float(low), float(middle), float(high)
