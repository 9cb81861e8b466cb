"""Every titled case of an endpoint: the life drawn, the time that must come out."""

import pytest

from sequela.clinic.endpoints import derive
from sequela.study.named_endpoints import KINDS
from tests.spec.endpoint_cases import cases, endpoint, life


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.title)
def test_case(case):
    people, moments = life(case)
    row = derive("e", endpoint(case), people, moments).table.row(0, named=True)
    found = (
        f"unused {row['unused']}"
        if row["unused"]
        else f"{row['time']} {'event' if row['state'] else 'censored'} {row['end']}"
    )
    assert found == case.expected


def test_every_kind_has_a_case():
    assert {kind for kind in KINDS for case in cases() if f'"{kind}"' in case.endpoint} == set(KINDS)
