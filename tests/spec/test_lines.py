"""The line-of-therapy rules, one titled case each."""

import pytest

from sequela.clinic.drugs import read_dictionary
from sequela.clinic.lines import Treatment, fold
from sequela.clinic.rules import read_rules
from tests.spec.line_cases import cases

DICTIONARY = read_dictionary()


def classes(agent):
    return frozenset(DICTIONARY.classes(agent))


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_rule(case):
    unknown = {agent for agent, _, _ in case.given} - set(DICTIONARY.agents)
    assert not unknown, f"the dictionary has no {unknown}"
    given = [Treatment(row, agent, start, end) for row, (agent, start, end) in enumerate(case.given)]
    lines, _ = fold(given, read_rules(case.rules), classes)
    found = [
        (x.number, x.start, x.end, frozenset(x.regimen), x.rule, frozenset(x.companions), x.maintenance_start)
        for x in lines
    ]
    assert found == list(case.expected)
