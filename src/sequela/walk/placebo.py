"""This study in worlds where the treatment does nothing: its own criteria, groups, clocks and analysis, many times."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from math import ceil, nan
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.audit.placebo import Method, Placebo, gathered
from sequela.clinic.tables import anchor_column
from sequela.core.errors import DataError, UsageError
from sequela.core.finding import Finding, Where
from sequela.records.writing import replace_file
from sequela.report.document import figure_block
from sequela.report.figures.figure import save
from sequela.report.figures.placebo import placebo as draw
from sequela.report.placebo_page import placebo_page
from sequela.virtual.world import average, first_guess, refit, reweighed, seen
from sequela.walk.analyses import grouped, heading, population
from sequela.walk.auditing import main_first
from sequela.walk.corrections import compared_on, correct
from sequela.walk.inventing import Material, invent, kinds, lived_spells, material, season_of, seasons
from sequela.walk.outputs import BANNER
from sequela.walk.path import walk_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from sequela.audit.design import TimeZero
    from sequela.clinic.rules import RuleSet
    from sequela.records.reading import Table
    from sequela.report.content import Corrected
    from sequela.study.model import Analysis, Study
    from sequela.virtual.world import World
    from sequela.walk.path import Walk

RUNS = 200
SEED = 2020
FRAILTY = 0.1
ROUNDS = 12
BLOCK = 10
MARGIN = 1.25  # candidates beyond those needed on average, so that nearly every world fills both arms
MOST = 40  # candidates for each patient of the file, at most
Found = tuple[float, float, tuple[float, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """All that one process needs to live through some worlds."""

    study: Study
    tables: Mapping[str, Table]
    rules: RuleSet
    made_of: Material
    world: World
    clock: TimeZero
    selected: bool
    size: int
    sizes: Mapping[str, int]
    candidates: int
    today: date


def placebo(
    walk: Walk,
    *,
    today: date,
    analysis: str | None = None,
    runs: int = RUNS,
    seed: int = SEED,
    frailty: float = FRAILTY,
    jobs: int = 1,
    progress: Callable[[str, float], None] = lambda _words, _share: None,
) -> Placebo:
    """Run one comparison of two groups in `runs` worlds without an effect.

    The world is made of the study's own files: patients enter as they did, lines start and lives end at rates that
    know nothing of the treatment, and every line is given what was given at that time after that history.

    Args:
        walk: the study as far as its endpoints.
        today: the clock.
        analysis: the analysis to run; by default the main comparison, as the audit chooses it.
        runs: how many worlds.
        seed: of the first; the result does not depend on `jobs`.
        frailty: variance of a Gamma frailty shared by all lines of a patient.
        jobs: processes.
        progress: told what is done, and the share of it.

    Raises:
        UsageError: X120, the analysis is no comparison of two groups.
        StudyError: S140, the study's files cannot be invented.
        DataError: C410, the invented worlds have no patients to compare.
    """
    clock = chosen(walk.study, analysis)
    people = population(walk, _analysis(walk.study, clock))
    made_of = material(walk)
    selected = len(walk.cohort) == walk.people.frame.height
    size = len(walk.cohort) if selected else made_of.patients.size
    sizes = {arm: people.frame.filter(pl.col("sequence") == arm).height for arm in people.groups}
    study = _only(walk.study, clock)
    first = Job(
        study,
        walk.tables,
        walk.rules,
        made_of,
        _start(made_of, frailty),
        clock,
        selected,
        size,
        sizes,
        size,
        today,
    )
    job = fitted(first, seed, lambda share: progress("fitting the world", share))
    seeds = [[seed, number] for number in range(1, runs + 1)]
    outcomes = _all(job, seeds, jobs, lambda share: progress("living through the worlds", share))
    observed = _rows(walk, clock)
    groups = people.groups
    methods = [
        Method(label, ratios, p, medians, *_observed(observed[at]))
        for at, (label, ratios, p, medians) in enumerate(
            gathered([row.label for row in observed], [found for found, _ in outcomes])
        )
    ]
    return Placebo(
        f"{walk.study.endpoints[clock.endpoint].label}: {' against '.join(reversed(groups))}",
        groups,
        tuple(methods),
        runs,
        seed,
        np.array([sizes for _, sizes in outcomes], float),
        tuple(sizes.values()),
        selected,
        size / job.candidates if selected else 1.0,
        frailty,
    )


def chosen(study: Study, analysis: str | None) -> TimeZero:
    """The clock of the named analysis, or of the main comparison.

    Raises:
        UsageError: X120, it is no comparison of two groups.
        StudyError: the study compares no groups.
    """
    clocks = [clock for clock in main_first(study) if len(clock.settled) == 2]
    found = next((clock for clock in clocks if analysis in (None, clock.analysis)), None)
    if found is None:
        known = ", ".join(dict.fromkeys(clock.analysis for clock in clocks))
        raise UsageError(
            Finding(
                "X120",
                "error",
                f"`{analysis}` compares no two groups" if analysis else "the study compares no two groups",
                Where(study.path, field="analyses"),
                allowed=known or "an analysis of two groups",
                remedy="name one of these analyses" if known else "add an analysis of two sequence groups",
            )
        )
    return found


def _analysis(study: Study, clock: TimeZero) -> Analysis:
    return next(one for one in study.analyses if one.id == clock.analysis)


def _only(study: Study, clock: TimeZero) -> Study:
    """The study with nothing but the comparison: what else it estimates need not be lived through."""
    return study.model_copy(
        update={
            "endpoints": {clock.endpoint: study.endpoints[clock.endpoint]},
            "analyses": (_analysis(study, clock),),
        }
    )


def _observed(row: Corrected) -> tuple[float | None, float | None]:
    return (
        (row.hazard_ratio.value, row.p) if row.hazard_ratio and not row.hazard_ratio.reason else (None, None)
    )


# ---------------------------------------------------------------- fitting the world


def _start(made_of: Material, frailty: float) -> World:
    first, number = seasons(made_of)
    spells = made_of.templates.spells
    return first_guess(seen(spells, first, number), first, made_of.patients.size, spells.line.size, frailty)


def fitted(job: Job, seed: int, progress: Callable[[float], None]) -> Job:
    """The job with a world in which those whom the study selects look as the file does, and enough candidates."""
    needed, candidates = job.size, 2 * job.size
    tried: list[World] = []
    for step in range(ROUNDS if job.selected else 1):
        lived = _world(replace(job, candidates=candidates), np.random.default_rng([seed, 0, step]))
        kept = frozenset(lived.cohort if job.selected else lived.people.frame["patient"])
        shown = [lived.people.frame.filter(pl.col("sequence") == arm).height for arm in job.sizes]
        if not kept or not all(shown):
            raise _empty(job.study)
        if job.selected:
            job = replace(job, world=_closer(job, lived, kept))
            tried.append(job.world)
        wanted = max(size / n for size, n in zip(job.sizes.values(), shown, strict=True))
        needed = ceil(MARGIN * candidates * wanted)
        candidates = min(2 * needed, MOST * job.size)
        progress((step + 1) / ROUNDS)
    world = average(tried[ROUNDS // 2 :]) if tried else job.world
    return replace(job, world=world, candidates=min(needed, MOST * job.size))


def _closer(job: Job, lived: Walk, kept: frozenset[str]) -> World:
    """The world moved toward one whose selected patients look as the file's."""
    made_of, world, share = job.made_of, job.world, job.size / len(kept)
    first, number = seasons(made_of)
    spells, given = lived_spells(lived, made_of, kept)
    world = refit(world, seen(made_of.templates.spells, first, number), seen(spells, first, number), share)
    frame = lived.people.frame.filter(pl.col("patient").is_in(list(kept)))
    entered = frame[anchor_column(job.study.lines.index)].cast(pl.Float64).to_numpy()
    weights = _like(world.weights, season_of(made_of, made_of.index), season_of(made_of, entered), share)
    own = kinds(made_of.templates.spells, made_of.templates.given)
    return replace(world, weights=weights, choice=_like(world.choice, own, kinds(spells, given), share))


def _like(weights: np.ndarray, own: np.ndarray, shown: np.ndarray, share: float) -> np.ndarray:
    """Weights moved so that the kinds of the file are shown as often as it has them."""
    all_kinds, place = np.unique(np.concatenate([own, shown]), return_inverse=True)
    mine, theirs = place[: own.size], place[own.size :]
    wanted, found = (np.bincount(part, minlength=all_kinds.size).astype(float) for part in (mine, theirs))
    return reweighed(weights, mine, wanted, share * found)


# ---------------------------------------------------------------- living through it


def _world(job: Job, rng: np.random.Generator) -> Walk:
    """One world, through the study's own path."""
    tables = invent(job.world, job.made_of, job.study, job.tables, job.candidates, rng)
    return walk_from(job.study, tables, job.rules, today=job.today, check=False)


def one_run(job: Job, seed: Sequence[int]) -> tuple[list[Found], tuple[int, ...]]:
    """What every method finds in one world, and the sizes of the arms: the study's, where the world has enough."""
    lived = _world(job, np.random.default_rng(seed))
    groups = lived.people.frame.select("patient", "sequence").sort("patient").drop_nulls()
    kept = frozenset[str]().union(
        *(
            groups.filter(pl.col("sequence") == arm)["patient"].head(size).to_list()
            for arm, size in job.sizes.items()
        )
    )
    steps = tuple(
        replace(step, patients=step.patients.filter(step.patients.is_in(list(kept)))) for step in lived.steps
    )
    lived = replace(lived, steps=steps)
    try:
        rows = _rows(lived, job.clock)
    except DataError:
        raise _empty(job.study) from None
    people = population(lived, _analysis(job.study, job.clock))
    sizes = tuple(people.frame.filter(pl.col("sequence") == arm).height for arm in job.sizes)
    return [_found(row, len(sizes)) for row in rows], sizes


def _rows(walk: Walk, clock: TimeZero) -> list[Corrected]:
    """The comparison as asked and as the corrections make it."""
    analysis = _analysis(walk.study, clock)
    people = population(walk, analysis)
    if clock.selective and any(clock.settled.values()):
        return list(correct(walk, clock, people, heading(analysis, people)).rows)
    return [compared_on("As asked", people.groups, grouped(walk.outcomes[clock.endpoint], people))]


def _found(row: Corrected, arms: int) -> Found:
    medians = tuple(nan if one.reason else one.value for one in row.medians) or (nan,) * arms
    if row.hazard_ratio is None or row.hazard_ratio.reason:
        return nan, nan, medians
    return row.hazard_ratio.value, row.hazard_ratio.p, medians


def _block(job: Job, seeds: Sequence[Sequence[int]]) -> list[tuple[list[Found], tuple[int, ...]]]:
    return [one_run(job, seed) for seed in seeds]


def _all(
    job: Job, seeds: Sequence[Sequence[int]], jobs: int, progress: Callable[[float], None]
) -> list[tuple[list[Found], tuple[int, ...]]]:
    """Every run, in the order of the seeds whatever the number of processes."""
    blocks = [seeds[at : at + BLOCK] for at in range(0, len(seeds), BLOCK)]
    if jobs <= 1 or len(blocks) == 1:
        done: list[list[tuple[list[Found], tuple[int, ...]]]] = []
        for number, block in enumerate(blocks):
            done.append(_block(job, block))
            progress((number + 1) / len(blocks))
        return [run for block in done for run in block]
    # Polars' threads do not survive a fork: each process starts afresh.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_block, job, block) for block in blocks]
        try:
            for number, _ in enumerate(as_completed(futures)):
                progress((number + 1) / len(blocks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return [run for future in futures for run in future.result()]


def _empty(study: Study) -> DataError:
    return DataError(
        Finding(
            "C410",
            "error",
            "an invented world has nobody to compare",
            Where(study.path, field="cohort"),
            allowed="patients in both groups",
            remedy="the groups are too small for a placebo: compare larger ones with --analysis",
        )
    )


# ---------------------------------------------------------------- the page


def write_placebo(study: Study, found: Placebo, out: Path) -> Path:
    """Write `placebo.html`, `placebo.json` and the figure with every run into `out`; other files stay."""
    banner = BANNER if study.study.simulated else "Invented worlds"
    out.mkdir(parents=True, exist_ok=True)
    drawn = draw(found, banner=banner)
    picture = figure_block(drawn, save(drawn, out / "figures"), "", out)
    page = placebo_page(study, found, picture, banner)
    replace_file(
        out / "placebo.json", (json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n").encode()
    )
    replace_file(out / "placebo.html", page.encode())
    return out / "placebo.html"
