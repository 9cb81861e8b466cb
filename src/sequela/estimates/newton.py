"""Newton's method for a concave log-likelihood, with step halving, aliased columns and separation named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ALIAS = 1e-10  # a column whose variance given the columns before it is a smaller share of its own is aliased
DONE = 1e-20  # squared length of the Newton step in standard errors: 1e-10 of a standard error
RUNNING = 0.2  # a step this long, in standard deviations, while nothing is gained: the coefficient runs off
SPENT = 1e-12  # information left of that at the start, below which a coefficient has run off
STEPS = 60


class Evaluated(Protocol):
    """What an evaluation of the objective gives back."""

    @property
    def log_likelihood(self) -> float:
        """Value of the objective."""
        ...

    @property
    def score(self) -> NDArray[Any]:
        """First derivative (p)."""
        ...

    @property
    def information(self) -> NDArray[Any]:
        """Minus the second derivative (p x p)."""
        ...


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where Newton ended.

    Attributes:
        beta: p coefficients, 0 where aliased.
        covariance: p x p, 0 in aliased rows and columns.
        first, last: the evaluations at the start and at `beta`.
        kept: p flags, False for aliased columns.
        running: p flags, True for coefficients that run to infinity; `direction` their sign.
        steps: evaluations made.
        converged: whether the last step was negligible.
    """

    beta: NDArray[Any]
    covariance: NDArray[Any]
    first: Evaluated
    last: Evaluated
    kept: NDArray[np.bool_]
    running: NDArray[np.bool_]
    direction: NDArray[Any]
    steps: int
    converged: bool


def maximise(
    evaluate: Callable[[NDArray[Any]], Evaluated],
    start: NDArray[Any],
    scale: NDArray[Any],
    first: Evaluated | None = None,
    polish: float = 0.0,
) -> Optimum:
    """Climb from `start`; `scale` is the spread of each column, in which steps are judged.

    `first` is the evaluation that decides which columns are aliased (by default that at `start`).
    `polish` ends the climb with one last step when its squared length in standard errors is below it: for
    large samples, where one more evaluation would change no digit that is kept.
    """
    here = evaluate(start)
    first = first or here
    kept = independent(first.information)
    beta, steps, converged = np.where(kept, start, 0.0), 1, False
    if (beta != start).any():
        here = evaluate(beta)
    step = _direction(here, kept)
    while steps < STEPS:
        gain = float(step @ here.score)
        running = np.abs(step) * scale > RUNNING
        if gain < polish and not running.any():
            beta, step, converged = beta + step, 0 * step, True
            break
        if gain < DONE or (running.any() and gain < 1e-7 * (1 + abs(here.log_likelihood)) * 1e-3):
            converged = True
            break
        new, here = _climb(evaluate, beta, step, here)
        steps += 1
        if new is None:
            break
        beta, step = new, _direction(here, kept)
    # far out on a flat stretch rounding decides the sign of a step: what holds no information any more has run off
    spent = kept & (np.diag(here.information) <= SPENT * np.diag(first.information))
    running = (np.abs(step) * scale > RUNNING) | spent if converged else np.zeros(len(beta), bool)
    direction = np.where(spent, np.sign(beta), np.sign(step))
    covariance = _inverse(here.information, kept)
    return Optimum(beta, covariance, first, here, kept, running, direction, steps, converged)


def approach(
    evaluate: Callable[[NDArray[Any]], Evaluated], start: NDArray[Any], information: NDArray[Any]
) -> NDArray[Any]:
    """Steps with one fixed `information` while each is much shorter than the last; where they led.

    Such steps converge linearly, but cost a fraction of Newton's. The result is a start for `maximise`.
    """
    try:
        factor = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        return start
    beta, last = start, np.inf
    for _ in range(8):
        score = evaluate(beta).score
        step = factor @ score
        gain = float(step @ score)
        if not 0 <= gain < last / 16:
            break
        beta, last = beta + step, gain
        if gain < 1e-9:  # the next would be below 1e-13
            break
    return beta


def independent(information: NDArray[Any]) -> NDArray[np.bool_]:
    """Flags of columns not determined by those before them (Cholesky in order, on the correlation scale)."""
    p = len(information)
    diagonal = np.diag(information).copy()
    largest = diagonal.max(initial=0.0)
    kept = diagonal > max(largest * 1e-24, 1e-300)
    scale = np.where(kept, np.sqrt(np.where(kept, diagonal, 1.0)), 1.0)
    left = information / np.outer(scale, scale)
    for j in range(p):
        kept[j] = kept[j] and left[j, j] > ALIAS
        if kept[j]:
            left[j + 1 :, j + 1 :] -= np.outer(left[j + 1 :, j], left[j, j + 1 :]) / left[j, j]
    return kept


def _scaled(information: NDArray[Any], kept: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    inner = information[np.ix_(kept, kept)]
    scale = 1 / np.sqrt(np.maximum(np.diag(inner), 1e-300))
    return inner * np.outer(scale, scale), scale


def _direction(here: Evaluated, kept: NDArray[np.bool_]) -> NDArray[Any]:
    step = np.zeros(len(kept))
    if kept.any():
        inner, scale = _scaled(here.information, kept)
        step[kept] = scale * np.linalg.lstsq(inner, scale * here.score[kept], rcond=1e-15)[0]
    return step


def _inverse(information: NDArray[Any], kept: NDArray[np.bool_]) -> NDArray[Any]:
    covariance = np.zeros_like(information)
    if kept.any():
        inner, scale = _scaled(information, kept)
        covariance[np.ix_(kept, kept)] = np.linalg.pinv(inner, rcond=1e-15, hermitian=True) * np.outer(
            scale, scale
        )
    return covariance


def _climb(
    evaluate: Callable[[NDArray[Any]], Evaluated], beta: NDArray[Any], step: NDArray[Any], here: Evaluated
) -> tuple[NDArray[Any] | None, Evaluated]:
    """One step that does not fall: halved until the value is at least that of `here`, up to rounding."""
    slack = 1e-12 * (1 + abs(here.log_likelihood))
    for halving in range(40):
        new = beta + step / 2**halving
        there = evaluate(new)
        if there.log_likelihood >= here.log_likelihood - slack:
            return new, there
    return None, here
