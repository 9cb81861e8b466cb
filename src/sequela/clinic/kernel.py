"""The fold that makes lines of therapy out of treatments ordered by patient and start: one source, plain or compiled.

The state is the open line: its first day, its last end, its regimen, its companions. For every treatment the first rule
that applies decides; each boundary keeps the rule.

    ignored             supportive drugs, never in a line
    companion           endocrine and the like: attached to the open line, never open one, never hold one open
    override            somebody decided by hand: new line, same line, or leave out
    progression         (modes pd and or) a drug outside the regimen after a progression of the line: a new line
    gap                 the pause since the last end is longer than the rule's gap: the line ends (not in mode pd)
    window              first given within the window after the line's start: joins the regimen
    continuation        already in the regimen
    substitution        replaces a member of its own set (docetaxel for paclitaxel): joins the regimen
    switch maintenance  a maintenance drug after the others, without a progression: joins the regimen
    addition            added to a drug of its own class, where the rules take that as the same line
    no progression      (modes pd and and) a new drug that no progression explains: joins the regimen
    unconfirmed         a new drug that is not given for as many cycles as the rules ask: accompanies the line
    new drug            anything else: the line ends, a new one starts

Whatever else starts on the day a line opens belongs to the new line, not to the one it ends.

These functions take NumPy arrays or lists alike and hold to what Numba compiles (`sequela.clinic.compiled`): loops over
numbers, no objects. Rows of one patient stand together, ordered by start, then agent.

Sources: the parameters published for oncology line-of-therapy algorithms (Meng et al., JMIR Med Inform 2021;
9(10):e29017), and Saini and Twelves, Br J Cancer 2021;125:155 (clinical progression ends a line; maintenance belongs to
its line).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

NEVER: Final = 10**9

# Rules by code; those from FIRST on open a line.
RULES: Final = (
    "ignored", "override: leave out", "companion", "unconfirmed", "window", "continuation", "substitution",
    "switch maintenance", "addition", "no progression", "override: same line", "first treatment", "gap", "new drug",
    "progression", "override: new line",
)  # fmt: skip
IGNORED: Final = 0
LEFT_OUT: Final = 1
COMPANION: Final = 2
UNCONFIRMED: Final = 3
WINDOW: Final = 4
CONTINUATION: Final = 5
SUBSTITUTION: Final = 6
SWITCH: Final = 7
ADDITION: Final = 8
NO_PROGRESSION: Final = 9
SAME_LINE: Final = 10
FIRST: Final = 11
GAP: Final = 12
NEW_DRUG: Final = 13
PROGRESSION: Final = 14
NEW_LINE: Final = 15

MODES: Final = ("drug", "pd", "and", "or")
DECISIONS: Final = ("", "new line", "same line", "leave out")
DRUG: Final = 0
PD: Final = 1
AND: Final = 2
OR: Final = 3


class Rows(NamedTuple):
    """Treatments: `offset` (patients + 1) into the others; `end` is NEVER where it is not known."""

    offset: Any
    agent: Any
    start: Any
    end: Any
    row: Any


class Traits(NamedTuple):
    """What the rules ask of an agent, by its code.

    `adding` and `sets` are bit masks of the classes of `adding` and of the substitution sets; `lead` is the agent that
    stands for a set's members where a dropped drug is looked for.
    """

    ignored: Any
    companion: Any
    exempt: Any
    switch: Any
    adding: Any
    sets: Any
    lead: Any


class Limits(NamedTuple):
    """The numbers of a rule set, in days; `mode` by MODES, the policies as 0 or 1."""

    window: int
    gap: int
    confirm: int
    cycle: int
    adding_same: int
    mode: int
    same_regimen: int
    before: int
    after: int
    beyond: int
    maintenance: int


class Course(NamedTuple):
    """Progressions (sorted) and decisions by hand of the patients, each behind its offsets (patients + 1)."""

    progressions: Any
    progression: Any
    decisions: Any
    day: Any
    decision: Any


class Placed(NamedTuple):
    """Where each row went: its line (-1: none), its rule, and whether its agent is new there (1 regimen, 2 beside)."""

    line: Any
    rule: Any
    fresh: Any


class Found(NamedTuple):
    """The lines: the row that opened each, its last day, the pause before it, the row of its last drug.

    `maintenance` is its first day of maintenance, `beyond` the progression that its treatment went on after; NEVER for
    none. `adding` and `sets` are the masks of the open line's regimen.
    """

    opening: Any
    last: Any
    pause: Any
    maintenance: Any
    beyond: Any
    final: Any
    adding: Any
    sets: Any


class Marks(NamedTuple):
    """By agent: the line whose regimen holds it, the line that it accompanies; by lead: its line, and its last day."""

    held: Any
    beside: Any
    led: Any
    until: Any


def fold(
    rows: Rows, traits: Traits, limits: Limits, course: Course, placed: Placed, found: Found, marks: Marks
) -> int:
    """Place every row of every patient; how many lines there are. `placed`, `found` and `marks` are filled in."""
    lines = 0
    for patient in range(len(rows.offset) - 1):
        lines = fold_patient(patient, lines, rows, traits, limits, course, placed, found, marks)
    return lines


def fold_patient(
    patient: int,
    lines: int,
    rows: Rows,
    traits: Traits,
    limits: Limits,
    course: Course,
    placed: Placed,
    found: Found,
    marks: Marks,
) -> int:
    """The same for one patient, after `lines` lines of others."""
    at, stop = rows.offset[patient], rows.offset[patient + 1]
    line, first = -1, at
    while at < stop:
        until, opening = at + 1, -1
        while until < stop and rows.start[until] == rows.start[at]:
            until += 1
        for i in range(at, until):
            rule = rule_of(i, at, stop, patient, line, rows, traits, limits, course, found, marks)
            placed.rule[i] = rule
            if opening < 0 and rule >= FIRST:
                opening = i
        if opening >= 0:
            found.pause[lines] = 0
            if line >= 0:
                close(line, first, at, patient, rows, traits, limits, course, placed, found, marks)
                found.pause[lines] = rows.start[opening] - found.last[line]
            line, first = lines, at
            lines += 1
            found.opening[line] = opening
            found.last[line] = rows.start[opening]
            found.adding[line] = 0
            found.sets[line] = 0
        for i in range(at, until):
            place(i, line, opening >= 0, rows, traits, placed, found, marks)
        at = until
    if line >= 0:
        close(line, first, stop, patient, rows, traits, limits, course, placed, found, marks)
    return lines


def rule_of(
    i: int,
    at: int,
    stop: int,
    patient: int,
    line: int,
    rows: Rows,
    traits: Traits,
    limits: Limits,
    course: Course,
    found: Found,
    marks: Marks,
) -> int:
    """The first rule that applies to row `i`, of the day that begins at row `at`."""
    agent, start = rows.agent[i], rows.start[i]
    if traits.ignored[agent]:
        return IGNORED
    if traits.companion[agent]:
        return COMPANION
    decision = decided(patient, start, course)
    if decision == 3:
        return LEFT_OUT
    if line < 0:
        return FIRST
    if decision > 0:
        return NEW_LINE if decision == 1 else SAME_LINE
    known = marks.held[agent] == line
    stays = known and limits.same_regimen == 1
    opened = rows.start[found.opening[line]]
    if (
        (limits.mode == PD or limits.mode == OR)
        and not stays
        and progressed(patient, opened + 1, start, limits, course)
    ):
        return PROGRESSION
    if start - found.last[line] > limits.gap and not traits.exempt[agent] and limits.mode != PD:
        return GAP
    if start - opened <= limits.window:
        return WINDOW
    if known:
        return CONTINUATION
    return new_drug(i, at, stop, patient, line, rows, traits, limits, course, found)


def new_drug(
    i: int,
    at: int,
    stop: int,
    patient: int,
    line: int,
    rows: Rows,
    traits: Traits,
    limits: Limits,
    course: Course,
    found: Found,
) -> int:
    """What becomes of a drug that is not in the regimen, after the window."""
    agent, start = rows.agent[i], rows.start[i]
    opened = rows.start[found.opening[line]]
    if traits.sets[agent] & found.sets[line] != 0:
        return SUBSTITUTION
    if traits.switch[agent] and not progressed(patient, opened + 1, start, limits, course):
        return SWITCH
    if (
        limits.adding_same == 1
        and traits.adding[agent] & found.adding[line] != 0
        and found.last[line] >= start
    ):
        return ADDITION
    if limits.mode == PD:
        return NO_PROGRESSION
    since = max(opened + 1, start - limits.before)
    if limits.mode == AND and not progressed(patient, since, start, limits, course):
        return NO_PROGRESSION
    cycles = 0
    for j in range(at, stop):
        if rows.agent[j] == agent:
            cycles += 1 + (rows.end[j] - rows.start[j]) // limits.cycle
    return UNCONFIRMED if cycles < limits.confirm else NEW_DRUG


def decided(patient: int, day: int, course: Course) -> int:
    """The decision by hand about what the patient started on a day; 0 for none."""
    for j in range(course.decisions[patient], course.decisions[patient + 1]):
        if course.day[j] == day:
            return course.decision[j]
    return 0


def progressed(patient: int, since: int, start: int, limits: Limits, course: Course) -> bool:
    """Whether the patient has a progression from `since` up to a little after this start."""
    for j in range(course.progressions[patient], course.progressions[patient + 1]):
        if since <= course.progression[j] <= start + limits.after:
            return True
    return False


def place(
    i: int, line: int, opens: bool, rows: Rows, traits: Traits, placed: Placed, found: Found, marks: Marks
) -> None:
    """Put row `i` into the open line, or outside."""
    rule, agent = placed.rule[i], rows.agent[i]
    if line < 0 or rule <= LEFT_OUT:
        placed.line[i] = -1
        placed.fresh[i] = 0
        return
    if opens and COMPANION < rule < FIRST:
        rule = WINDOW
        placed.rule[i] = rule
    placed.line[i] = line
    if rule <= UNCONFIRMED:
        placed.fresh[i] = 0 if marks.beside[agent] == line else 2
        marks.beside[agent] = line
        return
    placed.fresh[i] = 0 if marks.held[agent] == line else 1
    marks.held[agent] = line
    found.adding[line] |= traits.adding[agent]
    found.sets[line] |= traits.sets[agent]
    found.last[line] = max(found.last[line], rows.end[i])


def close(
    line: int,
    first: int,
    stop: int,
    patient: int,
    rows: Rows,
    traits: Traits,
    limits: Limits,
    course: Course,
    placed: Placed,
    found: Found,
    marks: Marks,
) -> None:
    """What a line's rows (from `first` to before `stop`) say when all are in: maintenance, last drug, progression.

    Maintenance begins after the first drug was dropped, when the others went on long enough; a drug that another of its
    set replaced was not dropped.
    """
    final = found.opening[line]
    for i in range(first, stop):
        if placed.line[i] == line and placed.rule[i] > UNCONFIRMED:
            lead = traits.lead[rows.agent[i]]
            if marks.led[lead] != line:
                marks.led[lead] = line
                marks.until[lead] = rows.start[i]
            marks.until[lead] = max(marks.until[lead], rows.end[i])
            if rows.end[i] > rows.end[final] or (
                rows.end[i] == rows.end[final] and rows.row[i] > rows.row[final]
            ):
                final = i
    found.final[line] = final
    dropped, longest = NEVER + 1, -NEVER
    for i in range(first, stop):
        if placed.line[i] == line and placed.rule[i] > UNCONFIRMED:
            until = marks.until[traits.lead[rows.agent[i]]]
            dropped, longest = min(dropped, until), max(longest, until)
    found.maintenance[line] = dropped + 1 if longest - dropped >= limits.maintenance else NEVER
    found.beyond[line] = NEVER
    for j in range(course.progressions[patient + 1] - 1, course.progressions[patient] - 1, -1):
        day = course.progression[j]
        if rows.start[found.opening[line]] < day and found.last[line] - day > limits.beyond:
            found.beyond[line] = day
