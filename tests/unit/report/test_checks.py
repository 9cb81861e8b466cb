"""Findings on a page and in a terminal."""

from __future__ import annotations

import io
from html.parser import HTMLParser

from sequela.core.finding import Finding, Where
from sequela.report.checks import by_place, checks_page, counts, counts_table, gravest_first
from sequela.report.console import console, findings_text, print_counts, print_findings, print_table, tally
from tests.unit.report import demo


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Texts(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.hidden_forms = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden_forms += tag == "form" and "hidden" in dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_gravest_come_first_and_are_counted() -> None:
    assert [finding.code for finding in gravest_first(demo.findings())] == ["S301", "D104", "D210", "D310"]
    assert counts(demo.findings()) == {"error": 2, "warning": 1, "note": 1}
    assert tally(demo.findings()) == "2 errors, 1 warning, 1 note"
    assert tally(()) == "no findings"


def test_codes_count_findings_patients_and_centres() -> None:
    findings = [
        Finding("D1", "note", "m", Where(patient=p, centre=c))
        for p, c in (("1", "A"), ("1", "A"), ("1", "B"))
    ]
    row = counts_table(findings).rows[0]
    assert (row.label, *(cell.value for cell in row.cells[1:4])) == ("D1", 3, 2, 2)


def test_places_hold_every_finding_once() -> None:
    places = by_place(demo.findings())
    assert [centre for centre, _ in places] == ["", "A", "B"]
    assert [patient for patient, _ in places[1][1]] == ["P14", "P8"]
    assert sum(len(own) for _, patients in places for _, own in patients) == len(demo.findings())


def test_the_page_shows_all_findings_without_a_script() -> None:
    page = Texts(checks_page(demo.findings(), "Checks", demo.BANNER))
    assert page.hidden_forms == 1  # the filter appears only where a script can run it
    for finding in demo.findings():
        assert finding.message in page.text
    assert demo.BANNER in page.text
    assert "Nothing was found" in checks_page((), "Checks")


def test_plain_text_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    print_findings(demo.findings(), console(out, {}))
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().rstrip("\n") == findings_text(demo.findings())


def test_a_long_list_ends_with_a_count_by_code() -> None:
    stream = io.StringIO()
    print_counts(demo.findings(), console(stream, {}))
    lines = stream.getvalue().splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["error", "S301", "1"], ["error", "D104", "1"], ["warning", "D210", "1"], ["note", "D310", "1"],
    ]  # fmt: skip
    assert any("(1 patient)" in line for line in lines)


def test_no_color_is_obeyed_and_colour_used_otherwise() -> None:
    plain, coloured = Terminal(), Terminal()
    print_findings(demo.findings(), console(plain, {"NO_COLOR": "1", "TERM": "xterm"}))
    print_findings(demo.findings(), console(coloured, {"TERM": "xterm-256color"}))
    assert "\x1b[3" not in plain.getvalue()
    assert "\x1b[1;31merror" in coloured.getvalue()


def test_a_limit_counts_the_rest() -> None:
    out = io.StringIO()
    print_findings(demo.findings(), console(out, {}), limit=1)
    assert "… and 3 more" in out.getvalue()
    assert "D104" not in out.getvalue()


def test_square_brackets_in_messages_are_no_markup() -> None:
    out = io.StringIO()
    print_findings([Finding("E1", "error", "`line[2]` [bold]is[/bold] :smile:")], console(out, {}))
    assert "`line[2]` [bold]is[/bold] :smile:" in out.getvalue()


def test_a_table_prints_within_the_width_given() -> None:
    out = io.StringIO()
    print_table(demo.table(), console(out, {"COLUMNS": "72"}))
    assert max(len(line) for line in out.getvalue().splitlines()) <= 72
