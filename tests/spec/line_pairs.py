"""Which rules of the fold meet: for one treatment several conditions may hold, and the first of them decides."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from tests.agree import line_twin

# As the fold asks them; what is left when none holds is a new drug.
ORDER = (
    "ignored", "companion", "override", "progression", "gap", "window", "continuation", "substitution",
    "switch maintenance", "addition", "no progression", "unconfirmed",
)  # fmt: skip


def holding(treatment, kinds, current, rules, course, ordered) -> tuple[str, ...]:
    """Every rule whose own condition holds, in the order of the rules, whatever comes before it."""
    mode = rules.progression.mode
    holds = {
        "ignored": bool(kinds & set(rules.ignored.classes)),
        "companion": bool(kinds & set(rules.companion.classes)),
        "override": treatment.start in course.decisions,
    }
    if current is None:
        return tuple(name for name, true in holds.items() if true)

    def progressed(since):
        return line_twin._progressed(treatment, current, rules, course, since=since)

    known = current.has(treatment.agent)
    added = kinds & set(rules.adding.classes) & current.kinds
    exempt = kinds & set(rules.gap.exempt_classes)
    stays = known and rules.progression.same_regimen == "same line"
    holds |= {
        "progression": mode in ("pd", "or") and not stays and progressed(None),
        "gap": mode != "pd" and treatment.start - current.last > rules.gap.days and not exempt,
        "window": treatment.start - current.start <= rules.regimen.window_days,
        "continuation": known,
        "substitution": any(
            treatment.agent in group and any(map(current.has, group)) and not known
            for group in rules.new_drug.substitutions
        ),
        "switch maintenance": bool(kinds & set(rules.maintenance.switch)) and not progressed(None),
        "addition": rules.adding.policy == "same line" and bool(added) and current.last >= treatment.start,
        "no progression": mode == "pd" or (mode == "and" and not progressed(rules.progression.before_days)),
        "unconfirmed": line_twin._cycles(treatment, ordered, rules) < rules.new_drug.confirm_cycles,
    }
    return tuple(name for name in ORDER if holds[name])


@dataclass
class Met:
    """Pairs of a rule that decided and another whose condition held as well, as they were seen."""

    pairs: set[tuple[str, str]] = field(default_factory=set)


@contextmanager
def watched():
    """What meets while the twin folds."""
    met = Met()
    rule_of = line_twin._rule

    def asked(*args):
        first, *others = (*holding(*args), "new drug")
        met.pairs |= {(first, other) for other in others if other != "new drug"}
        decided = rule_of(*args)
        assert decided.split(":")[0] in (first, "first treatment"), (decided, first)
        return decided

    with patch.object(line_twin, "_rule", asked):
        yield met
