"""Do effects of several studies, or centres, differ by more than chance? Cochran's Q and I squared.

Q = sum w (b - mean)^2 with w = 1 / se^2 and mean = sum w b / sum w; I^2 = max(0, (Q - df) / Q), the share of the
variation that is not chance. Sources: Cochran (Biometrics 1954); Higgins and Thompson (Stat Med 2002).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc

from sequela.core.estimate import Test

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Cochran's test (its statistic is Q), and I squared (0 to 1; NaN without two effects)."""

    test: Test
    share: float


def heterogeneity(effects: Sequence[float], errors: Sequence[float]) -> Heterogeneity:
    """Heterogeneity of effects with their standard errors; those without either are left out."""
    b, se = np.array(effects, float), np.array(errors, float)
    known = np.isfinite(b) & np.isfinite(se) & (se > 0)
    b, w = b[known], 1 / se[known] ** 2
    name = "Cochran's Q"
    if len(b) < 2:
        return Heterogeneity(Test(math.nan, 0, math.nan, name, len(b), "fewer than two effects"), math.nan)
    q = float(w @ (b - w @ b / w.sum()) ** 2)
    df = len(b) - 1
    return Heterogeneity(
        Test(q, df, float(chdtrc(df, q)), name, len(b)), max(0.0, (q - df) / q) if q > 0 else 0.0
    )
