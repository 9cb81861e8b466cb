"""From a course to drug episodes and progressions, in whole days from metastatic diagnosis.

A line is several rows: the taxane stops after five to eight cycles, the antibodies go on, endocrine therapy
joins them when the tumour is ER positive. On the way to T-DM1, trastuzumab may go on beyond progression, at
times with another taxane: that is the same line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sequela.virtual.drugs import ENDOCRINE, TAXANE_SHARES, TAXANES, next_regimen

if TYPE_CHECKING:
    import numpy as np

CYCLE: Final = 21
STOPS_FOR_TOXICITY: Final = 0.06
BEYOND_PROGRESSION: Final = 45
LATER_LINES: Final = 4


class Episode(NamedTuple):
    """One drug from `start` to `end` (None: ongoing)."""

    agent: str
    start: int
    end: int | None
    reason: str


class Life(NamedTuple):
    """One patient's course in days from metastatic diagnosis; `surgery` is negative, None without a date."""

    surgery: int | None
    treated: bool
    adjuvant_trastuzumab: bool
    er: bool
    pertuzumab: bool
    start: int
    progression: int
    bridge: int
    others: tuple[tuple[int, int], ...]
    line: int
    t_dm1: int
    t_dm1_end: int
    death: int
    seen: int

    @property
    def last(self) -> int:
        """The last day anything is known about the patient."""
        return min(self.death, self.seen)


class History(NamedTuple):
    """Drug episodes and days of progression."""

    episodes: list[Episode]
    progressions: list[int]


def history(rng: np.random.Generator, life: Life) -> History:
    """All records of one patient's treatment."""
    record = History([], [])
    if life.treated and life.surgery is not None:
        record.episodes.extend(_adjuvant(rng, life, life.surgery))
    previous: frozenset[str] = frozenset()
    given: set[tuple[str, ...]] = set()
    if life.line > 1:
        previous = _first_line(rng, life, record)
    for start, end in life.others:
        regimen = next_regimen(rng, previous, given) or ("capecitabine",)
        _line(rng, life, record, regimen, start, end)
        previous = frozenset(regimen)
        given.add(regimen)
    _line(rng, life, record, ("t_dm1",), life.t_dm1, life.t_dm1_end)
    _later_lines(rng, life, record, given)
    return record


def _ending(
    rng: np.random.Generator, life: Life, end: int, record: History, *, toxic: bool = True
) -> tuple[int | None, str]:
    """Last day of a line that ends at `end`, and why; a progression is put on record."""
    if end > life.last:
        return None, "ongoing"
    if end == life.death:
        return end, "death"
    if toxic and rng.random() < STOPS_FOR_TOXICITY:
        return end, "toxicity"
    record.progressions.append(end)
    return min(end + int(rng.integers(0, 5)), life.last), "progression"


def _line(
    rng: np.random.Generator, life: Life, record: History, regimen: tuple[str, ...], start: int, end: int
) -> None:
    stop, reason = _ending(rng, life, end, record)
    record.episodes.extend(Episode(agent, start, stop, reason) for agent in regimen)


def _first_line(rng: np.random.Generator, life: Life, record: History) -> frozenset[str]:
    beyond = life.bridge - life.progression >= BEYOND_PROGRESSION
    taxane = TAXANES[int(rng.choice(3, p=TAXANE_SHARES))]
    chemotherapy = "vinorelbine" if not life.pertuzumab and rng.random() < 0.12 else taxane
    stop, reason = _ending(rng, life, life.progression, record, toxic=not beyond)
    cycles_end = life.start + CYCLE * int(rng.integers(5, 9))
    first_stop = stop if stop is not None else life.last
    completed = cycles_end < first_stop
    chemo = Episode(
        chemotherapy, life.start, cycles_end if completed else stop, "completed" if completed else reason
    )
    if beyond:
        stop, reason = _ending(rng, life, life.bridge, record, toxic=False)
        record.episodes.extend(_rechallenge(rng, life, chemotherapy))
    antibodies = ("trastuzumab", "pertuzumab") if life.pertuzumab else ("trastuzumab",)
    record.episodes.append(chemo)
    record.episodes.extend(Episode(agent, life.start, stop, reason) for agent in antibodies)
    if life.er and stop is not None and rng.random() < 0.6:
        record.episodes.extend(_endocrine(rng, cycles_end + 10, stop, reason))
    return frozenset((chemotherapy, *antibodies))


def _rechallenge(rng: np.random.Generator, life: Life, chemotherapy: str) -> list[Episode]:
    """In half of those treated beyond progression: another taxane, at first."""
    if chemotherapy not in TAXANES or rng.random() < 0.5:
        return []
    start = life.progression + int(rng.integers(7, 22))
    end = min(start + CYCLE * int(rng.integers(4, 7)), life.bridge)
    return [Episode("docetaxel" if chemotherapy == "paclitaxel" else "paclitaxel", start, end, "completed")]


def _endocrine(rng: np.random.Generator, start: int, stop: int, reason: str) -> list[Episode]:
    if stop - start < 60:
        return []
    return [Episode(ENDOCRINE[int(rng.integers(len(ENDOCRINE)))], start, stop, reason)]


def _later_lines(rng: np.random.Generator, life: Life, record: History, given: set[tuple[str, ...]]) -> None:
    """Lines after T-DM1, until death, the last contact, or best supportive care."""
    previous: frozenset[str] = frozenset()
    day = life.t_dm1_end
    for _ in range(LATER_LINES):
        start = day + int(rng.integers(14, 40))
        regimen = next_regimen(rng, previous, given)
        if regimen is None or start + CYCLE > life.last:
            return
        end = start + max(CYCLE, int(rng.exponential(200.0)))
        if end > life.death:
            end = life.death
        _line(rng, life, record, regimen, start, end)
        previous, day = frozenset(regimen), end
        given.add(regimen)


def _adjuvant(rng: np.random.Generator, life: Life, surgery: int) -> list[Episode]:
    """(Neo-)adjuvant drugs; all of them end before metastatic diagnosis."""
    if life.er and not life.adjuvant_trastuzumab and rng.random() < 0.3:
        return _adjuvant_endocrine(rng, surgery + 30)
    neoadjuvant = rng.random() < 0.3
    start = surgery - int(rng.integers(170, 200)) if neoadjuvant else surgery + int(rng.integers(21, 45))
    switch = start + 4 * CYCLE
    anthracycline = "doxorubicin" if rng.random() < 0.5 else "epirubicin"
    rows = [Episode(agent, start, switch - 1, "completed") for agent in (anthracycline, "cyclophosphamide")]
    rows.append(
        Episode(
            "docetaxel" if rng.random() < 0.5 else "paclitaxel", switch, switch + 4 * CYCLE - 1, "completed"
        )
    )
    if life.adjuvant_trastuzumab:
        # T-DM1 in line 1 is for relapse on, or within six months of, adjuvant trastuzumab
        stop = -int(rng.integers(1, 175)) if life.line == 1 else min(switch + 365, -1)
        rows.append(Episode("trastuzumab", switch, stop, "completed" if stop < -1 else "progression"))
    if life.er:
        rows.extend(_adjuvant_endocrine(rng, max(surgery, switch + 4 * CYCLE) + 14))
    return rows


def _adjuvant_endocrine(rng: np.random.Generator, start: int) -> list[Episode]:
    """Five years, or until metastatic disease."""
    stop = min(start + 1826, -1)
    agent = ("tamoxifen", "letrozole", "anastrozole")[int(rng.integers(3))]
    return (
        [Episode(agent, start, stop, "completed" if stop < -1 else "progression")]
        if stop - start > 30
        else []
    )
