"""Readings: measured values of cultures. n is experiments, not wells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sequela.core.errors import UsageError
from sequela.core.finding import Finding


@dataclass(frozen=True, eq=False)
class Readings:
    """One value a well (field, lane, cell): what was read, of which condition, in which experiment.

    An experiment is an independent biological repeat: its own passage, its own day. Where it is not named
    (None, or an empty text) nothing can be tested, since wells are no repeats. `value`, `condition`,
    `experiment`, `dose` (0 by default) and `replicate` (numbers the wells of one cell; 0 by default) are n
    long; `unit` and `name` say what was read. Raises UsageError when lengths differ or a value is missing.
    """

    value: Any
    condition: Any
    experiment: Any = None
    dose: Any = None
    replicate: Any = None
    unit: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        value = np.array(self.value, float)
        n = len(value)
        blank = np.broadcast_to(np.array(""), n)
        parts = {
            "condition": np.array(self.condition, str),
            "experiment": blank if self.experiment is None else np.array(self.experiment, str),
            "dose": np.zeros(n) if self.dose is None else np.array(self.dose, float),
            "replicate": np.zeros(n, int) if self.replicate is None else np.array(self.replicate, int),
        }
        for name, part in parts.items():
            if len(part) != n:
                message = f"`{name}` has {len(part)} values, `value` has {n}"
                raise UsageError(Finding("T102", "error", message))
        if not np.isfinite(value).all():
            found = f"{int((~np.isfinite(value)).sum())} of {n} values"
            raise UsageError(Finding("T108", "error", "readings are missing or not finite", found=found))
        for name, part in {"value": value, **parts}.items():
            part.flags.writeable = False
            object.__setattr__(self, name, part)

    def __repr__(self) -> str:
        return f"<Readings: {len(self)} values; experiments: {self.n}>"

    def __len__(self) -> int:
        return len(self.value)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions, in order of appearance."""
        return tuple(dict.fromkeys(self.condition.tolist()))

    @property
    def n(self) -> dict[str, int]:
        """Experiments of each condition; 0 where experiments are not named."""
        seen = dict.fromkeys(zip(self.condition.tolist(), self.experiment.tolist(), strict=True))
        return {name: sum(1 for one, repeat in seen if one == name and repeat) for name in self.conditions}

    def take(self, rows: Any) -> Readings:
        """The readings at `rows` (positions, or a mask)."""
        value, condition, experiment = self.value[rows], self.condition[rows], self.experiment[rows]
        more = {"dose": self.dose[rows], "replicate": self.replicate[rows]}
        return Readings(value, condition, experiment, unit=self.unit, name=self.name, **more)

    def means(self) -> Readings:
        """One value an experiment, condition and dose: the mean over its wells."""
        keys = list(zip(self.condition.tolist(), self.experiment.tolist(), self.dose.tolist(), strict=True))
        cells = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        where = np.array([cells[key] for key in keys], int)
        mean = np.bincount(where, self.value, len(cells)) / np.bincount(where, minlength=len(cells))
        condition, experiment, dose = zip(*cells, strict=True) if cells else ((), (), ())
        return Readings(mean, condition, experiment, dose, None, self.unit, self.name)
