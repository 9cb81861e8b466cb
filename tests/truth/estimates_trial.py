"""Makes `estimates_trial.csv`: 160 invented patients with ties, delayed entry, weights, clusters, two causes."""

from pathlib import Path

import numpy as np

if __name__ == "__main__":
    rng = np.random.default_rng(20240229)
    n = 160
    x1, x2, x3 = rng.normal(60, 9, n).round(), rng.integers(0, 2, n), rng.normal(0, 1, n).round(2)
    cluster, stratum = rng.integers(1, 13, n), rng.integers(1, 4, n)
    centre = rng.gamma(3, 1 / 3, 13)[cluster]
    risk = centre * np.exp(0.03 * (x1 - 60) - 0.6 * x2 + 0.3 * x3)
    entry = np.where(rng.random(n) < 0.3, rng.integers(1, 10, n), 0)
    event_time = entry + 1 + np.floor(rng.exponential(25 / risk))  # in weeks, so that times tie
    censored = entry + 1 + np.floor(rng.uniform(0, 80, n))
    time = np.minimum(event_time, censored).astype(int)
    event = (event_time <= censored).astype(int)
    cause = event * (1 + (rng.random(n) < 0.35))
    weight = (1 + rng.integers(0, 6, n) / 4).round(2)
    columns = {
        "time": time, "event": event, "cause": cause, "entry": entry, "group": x2 + 2 * (x3 > 0.6), "stratum": stratum,
        "x1": x1.astype(int), "x2": x2, "x3": x3, "weight": weight, "cluster": cluster,
    }  # fmt: skip
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    Path(__file__).with_name("estimates_trial.csv").write_text("\n".join(lines) + "\n")
