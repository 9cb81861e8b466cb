"""Coverage of the target trial's intervals in worlds of immortal time, without and with an effect.

python -m bench.targettrial           # 100 studies of 500 patients each: the table of docs/target-trial.md
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from tests.agree.test_target_trials import lived_to, trial_of, world

from sequela.estimates.nestedtrials import nested_trials

PAGE = Path(__file__).parents[1] / "docs" / "target-trial.md"
MARK = "<!-- made by python -m bench.targettrial -->\n"
HEAD = """| world | truth | method | mean estimate | 95% interval holds the truth | p < 0.05 |
|---|---|---|---|---|---|
"""


def truth(effect: float) -> float:
    """Difference of survival at day 1,000 between a start 45 days after progression and none, from 400,000 lives."""
    rng = np.random.default_rng(1)
    L, progression, _, _, _ = world(rng, 400_000)
    starts = np.full(L.size, np.inf), progression + 45
    alive = [np.mean(lived_to(rng, L, progression, start, effect, 1000)) for start in starts]
    return float(alive[1] - alive[0])


def study(seed: int, effect: float, samples: int) -> list[tuple[float, float, float, float]]:
    """Estimate, limits and p of the naive Cox model, the target trial's difference, and the nested trials."""
    found, naive, (times, start, progression, L) = trial_of(np.random.default_rng(seed), 500, effect, samples)
    started = np.isfinite(start)
    # The naive model's error is near that of a comparison of its events by arm.
    se = math.sqrt(sum(1 / max(int((times.state[started == arm] > 0).sum()), 1) for arm in (True, False)))
    difference = found.differences[0]
    nested = nested_trials(times, start, {"L": L}, eligible=progression).hazard_ratio
    return [
        (naive, naive - 1.96 * se, naive + 1.96 * se, math.erfc(abs(naive / se) / math.sqrt(2))),
        (difference.value, difference.lower, difference.upper, difference.p),
        (math.log(nested.value), math.log(nested.lower), math.log(nested.upper), nested.p),
    ]


def main(studies: int, samples: int) -> None:
    """Write the table."""
    lines = [HEAD]
    for words, effect in (("no effect", 1.0), ("hazard halved by the treatment", 0.5)):
        found = np.array([study(seed, effect, samples) for seed in range(studies)])
        gap, ratio = truth(effect), math.log(effect)
        for at, (method, real, shown) in enumerate(
            [
                ("naive Cox model, ever started", ratio, f"log HR {ratio:.2f}"),
                ("clone, censor, weight: difference of survival at 1,000 days", gap, f"{gap:.3f}"),
                ("nested trials", ratio, f"log HR {ratio:.2f}"),
            ]
        ):
            value, low, high, p = found[:, at].T
            inside = (low <= real) & (real <= high)
            lines.append(
                f"| {words} | {shown} | {method} | {value.mean():.3f} | {100 * inside.mean():.0f}% "
                f"| {100 * (p < 0.05).mean():.0f}% |\n"
            )
    lines.append(f"\n{studies} studies of 500 patients a world, {samples} bootstrap samples each.\n")
    PAGE.write_text(PAGE.read_text().partition(MARK)[0] + MARK + "".join(lines))
    print("".join(lines))


if __name__ == "__main__":
    main(*(int(text) for text in (sys.argv[1:] or ["100", "60"])))
