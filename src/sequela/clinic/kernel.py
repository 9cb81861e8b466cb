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


class Rivals(NamedTuple):
    """Rule sets: a row of `traits` and of `limits` for each; those of one `kind` differ in gap and window alone."""

    traits: Traits
    limits: Any
    kind: Any


class Tally(NamedTuple):
    """By rule set: lines; patients with any, with a second; and whose lines differ from those of the first rule set."""

    lines: Any
    patients: Any
    second: Any
    changed: Any


class Memory(NamedTuple):
    """The first rule set's placing (by row and line), and what each fold of the patient at hand came to.

    A fold holds for every gap from `pause` up to below `longer`, and every window from `delay` up to below `later`.
    """

    line: Any
    fresh: Any
    started: Any
    kind: Any
    lines: Any
    same: Any
    pause: Any
    longer: Any
    delay: Any
    later: Any


def fold_many(
    rows: Rows,
    rivals: Rivals,
    course: Course,
    placed: Placed,
    found: Found,
    marks: Marks,
    memory: Memory,
    tally: Tally,
) -> None:
    """Count the lines of every patient under many rule sets; patients are folded anew only where it can matter."""
    for patient in range(len(rows.offset) - 1):
        folds = 0
        for rival in range(len(rivals.limits)):
            chosen = rivals.limits[rival]
            limits = Limits(
                chosen[0], chosen[1], chosen[2], chosen[3], chosen[4], chosen[5], chosen[6], chosen[7], chosen[8],
                chosen[9], chosen[10],
            )  # fmt: skip
            known = 0
            while known < folds and not holds(known, rivals.kind[rival], limits, memory):
                known += 1
            if known == folds:
                fold_rival(patient, rival, known, limits, rows, rivals, course, placed, found, marks, memory)
                folds += 1
            tally.lines[rival] += memory.lines[known]
            tally.patients[rival] += memory.lines[known] > 0
            tally.second[rival] += memory.lines[known] > 1
            tally.changed[rival] += 1 - memory.same[known]


def holds(known: int, kind: int, limits: Limits, memory: Memory) -> bool:
    """Whether an earlier fold of the patient answers for this rule set as well."""
    return (
        memory.kind[known] == kind
        and memory.pause[known] <= limits.gap < memory.longer[known]
        and memory.delay[known] <= limits.window < memory.later[known]
    )


def fold_rival(
    patient: int,
    rival: int,
    known: int,
    limits: Limits,
    rows: Rows,
    rivals: Rivals,
    course: Course,
    placed: Placed,
    found: Found,
    marks: Marks,
    memory: Memory,
) -> None:
    """Fold one patient under one rule set, and keep what came of it; the first rule set's lines stay for comparison."""
    every, at, stop = rivals.traits, rows.offset[patient], rows.offset[patient + 1]
    traits = Traits(
        every.ignored[rival], every.companion[rival], every.exempt[rival], every.switch[rival],
        every.adding[rival], every.sets[rival], every.lead[rival],
    )  # fmt: skip
    for i in range(at, stop):
        agent = rows.agent[i]
        marks.held[agent] = -1
        marks.beside[agent] = -1
        marks.led[traits.lead[agent]] = -1
    lines = fold_patient(patient, at, rows, traits, limits, course, placed, found, marks)
    if rival == 0:
        for i in range(at, stop):
            memory.line[i] = placed.line[i]
            memory.fresh[i] = placed.fresh[i]
        for line in range(at, lines):
            memory.started[line] = rows.start[found.opening[line]]
    memory.kind[known] = rivals.kind[rival]
    memory.same[known] = 1
    if rival > 0 and (
        lines - at != memory.lines[0] or not same_lines(at, stop, lines, rows, placed, found, memory)
    ):
        memory.same[known] = 0
    memory.lines[known] = lines - at
    reach(at, stop, known, limits, rows, placed, found, memory)


def same_lines(
    at: int, stop: int, lines: int, rows: Rows, placed: Placed, found: Found, memory: Memory
) -> bool:
    """Whether as many lines as the first rule set's start on the same days with the same regimens."""
    for line in range(at, lines):
        if rows.start[found.opening[line]] != memory.started[line]:
            return False
    for i in range(at, stop):
        mine, other = placed.fresh[i] == 1, memory.fresh[i] == 1
        if mine and other and placed.line[i] == memory.line[i]:
            continue
        if mine and not among(rows.agent[i], placed.line[i], at, stop, rows, memory.line, memory.fresh):
            return False
        if other and not among(rows.agent[i], memory.line[i], at, stop, rows, placed.line, placed.fresh):
            return False
    return True


def among(agent: int, line: int, at: int, stop: int, rows: Rows, lines: Any, fresh: Any) -> bool:
    """Whether an agent is in the regimen of a line."""
    found = False
    for i in range(at, stop):
        found |= fresh[i] == 1 and lines[i] == line and rows.agent[i] == agent
    return found


def reach(
    at: int, stop: int, known: int, limits: Limits, rows: Rows, placed: Placed, found: Found, memory: Memory
) -> None:
    """The gaps and windows under which the fold that was just made would decide about every row as it did.

    Gap and window are only ever compared with the pause since the open line's last day, and with the delay since its
    first: between two neighbours of these no comparison turns out otherwise.
    """
    pause, longer, delay, later = -NEVER, NEVER, -NEVER, NEVER
    line, opened, last = -1, 0, 0
    day = at
    while day < stop:
        until = day
        while until < stop and rows.start[until] == rows.start[day]:
            until += 1
        if line >= 0:
            since, after = rows.start[day] - last, rows.start[day] - opened
            if since > limits.gap:
                longer = min(longer, since)
            else:
                pause = max(pause, since)
            if after > limits.window:
                later = min(later, after)
            else:
                delay = max(delay, after)
        for i in range(day, until):
            if placed.line[i] >= 0 and placed.rule[i] > UNCONFIRMED:
                if placed.line[i] != line:
                    line, last = placed.line[i], rows.start[i]
                    opened = last
                last = max(last, rows.end[i])
        day = until
    memory.pause[known] = pause
    memory.longer[known] = longer
    memory.delay[known] = delay
    memory.later[known] = later
