"""The line-of-therapy rules, one titled case each."""

import pytest

from sequela.clinic.drugs import read_dictionary
from sequela.clinic.rules import RuleSet, shipped
from tests.agree.line_twin import Treatment, by_kernel, fold
from tests.spec.line_cases import cases

DICTIONARY = read_dictionary()


def classes(agent):
    return frozenset(DICTIONARY.classes(agent))


def twinned(rules):
    """Whether the slow twin knows these rules."""
    kept = rules.regimen.single_dose == "keep" and rules.companion.alone == "no line"
    return kept and not rules.maintenance.sets and not rules.maintenance.new_line


def plain(given, rules, classes, course):
    return by_kernel([given], rules, classes, [course], "plain")[0]


def compiled(given, rules, classes, course):
    return by_kernel([given], rules, classes, [course], "compiled")[0]


@pytest.mark.parametrize("folds", [plain, compiled, fold])
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_rule(case, folds):
    unknown = {agent for agent, *_ in case.given} - set(DICTIONARY.agents)
    assert not unknown, f"the dictionary has no {unknown}"
    if folds is fold and not twinned(case.rule_set()):
        pytest.skip(
            "the twin keeps the fold's rules, restarts and swaps; these are cut and put together afterwards"
        )
    given = [Treatment(row, *told) for row, told in enumerate(case.given)]
    lines, _ = folds(given, case.rule_set(), classes, case.course)
    found = [
        (
            *(x.number, x.start, x.end, frozenset(x.regimen), x.rule, frozenset(x.companions)),
            *(x.maintenance_start, x.beyond_progression),
        )
        for x in lines
    ]
    assert found == list(case.expected)


def test_every_rule_and_every_shipped_set_has_a_case():
    placed = set()
    for case in cases():
        given = [Treatment(row, *told) for row, told in enumerate(case.given)]
        lines, outside = plain(given, case.rule_set(), classes, case.course)
        placed |= {rule for line in lines for _, rule in line.rows} | {rule for _, rule in outside}
    assert placed == {
        "ignored", "companion", "override: new line", "override: same line", "override: leave out", "first treatment",
        "progression", "gap", "window", "continuation", "substitution", "switch maintenance", "addition",
        "no progression", "unconfirmed", "new drug", "same regimen again", "swap for toxicity", "single dose",
        "maintenance",
    }  # fmt: skip
    assert {case.rules.partition(" | ")[0] for case in cases()} == set(shipped())
    assert {case.rule_set().progression.mode for case in cases()} == {"drug", "pd", "and", "or"}
    assert all(isinstance(case.rule_set(), RuleSet) for case in cases())
