"""The spec tables show every pair of rules that can meet: which of them decides is never left to chance."""

import numpy as np

from sequela.clinic.rules import RuleSet
from tests.agree.line_twin import Course, Treatment, fold
from tests.spec.line_cases import cases
from tests.spec.line_pairs import watched
from tests.spec.test_lines import classes

AGENTS = (
    "trastuzumab", "pertuzumab", "docetaxel", "paclitaxel", "lapatinib", "letrozole", "dexamethasone", "capecitabine",
    "trastuzumab_emtansine",
)  # fmt: skip


def _rules(rng):
    """A rule set in which every rule may play a part."""
    return RuleSet.model_validate(
        {
            "name": "any", "version": "1.0.0", "title": "", "source": "",
            "regimen": {"window_days": int(rng.choice([5, 28]))},
            "gap": {"days": int(rng.choice([10, 60])), "exempt_classes": ["oral_tki"]},
            "new_drug": {"substitutions": [["docetaxel", "paclitaxel"]], "confirm_cycles": int(rng.choice([1, 2]))},
            "companion": {"classes": ["endocrine"]},
            "ignored": {"classes": ["supportive"]},
            "maintenance": {"switch": [["capecitabine", "paclitaxel", "pertuzumab"], []][int(rng.integers(2))]},
            "adding": {
                "classes": ["anti_her2_mab", "taxane"], "policy": str(rng.choice(["same line", "new line"])),
            },
            "progression": {
                "mode": str(rng.choice(["drug", "pd", "and", "or"])),
                "same_regimen": str(rng.choice(["same line", "new line"])),
            },
        }
    )  # fmt: skip


def _history(rng):
    size = int(rng.integers(2, 8))
    starts = rng.integers(0, 150, size).tolist()
    ends = [None if rng.random() < 0.1 else start + int(rng.integers(0, 60)) for start in starts]
    agents = rng.choice(AGENTS, size).tolist()
    given = [Treatment(row, *told) for row, told in enumerate(zip(agents, starts, ends, strict=True))]
    words = ("new line", "same line", "leave out")
    told = {starts[-1]: words[int(rng.integers(3))]} if rng.random() < 0.3 else {}
    return given, Course(tuple(sorted(rng.integers(0, 160, int(rng.integers(3))).tolist())), told)


def test_every_pair_of_rules_that_can_meet_has_a_case():
    with watched() as shown:
        for case in cases():
            fold(
                [Treatment(row, *told) for row, told in enumerate(case.given)],
                case.rule_set(),
                classes,
                case.course,
            )
    rng = np.random.default_rng(7)
    with watched() as met:
        for _ in range(6000):
            given, course = _history(rng)
            fold(given, _rules(rng), classes, course)
    assert len(met.pairs) >= 50, "the histories are too tame to show what can meet"
    assert met.pairs <= shown.pairs, sorted(met.pairs - shown.pairs)
