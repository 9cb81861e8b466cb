"""Dates with the precision in which they are known."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequela.records.dates import FORMATS, Day, formats_of, parse_date

STRFTIME = {
    "YYYY-MM-DD": "%Y-%m-%d",
    "DD/MM/YYYY": "%d/%m/%Y",
    "MM/DD/YYYY": "%m/%d/%Y",
    "DD.MM.YYYY": "%d.%m.%Y",
    "DD-MM-YYYY": "%d-%m-%Y",
    "YYYY/MM/DD": "%Y/%m/%d",
    "YYYYMMDD": "%Y%m%d",
}
BEGIN = date(1970, 1, 1)


def days(text):
    return (date.fromisoformat(text) - BEGIN).days


def test_every_format_is_tested():
    assert set(STRFTIME) == set(FORMATS)


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.sampled_from(sorted(STRFTIME)))
def test_a_written_date_is_read_back(day, form):
    text = day.strftime(STRFTIME[form])
    assert parse_date(text, form) == Day((day - BEGIN).days, "day")
    assert form in formats_of(text)


@pytest.mark.parametrize(
    ("text", "imputation", "expected", "precision"),
    [
        ("2013", "first", "2013-01-01", "year"),
        ("2013", "middle", "2013-07-01", "year"),
        ("2013", "last", "2013-12-31", "year"),
        ("2012-02", "first", "2012-02-01", "month"),
        ("2012-02", "middle", "2012-02-15", "month"),
        ("2012-02", "last", "2012-02-29", "month"),
        ("05/2013", "middle", "2013-05-15", "month"),
        ("2013-5-7", "middle", "2013-05-07", "day"),
        ("2013-05-07 00:00:00", "middle", "2013-05-07", "day"),
        ("2013-05-07T13:45:00.000Z", "middle", "2013-05-07", "day"),
    ],
)
def test_precision_and_imputation(text, imputation, expected, precision):
    assert parse_date(text, imputation=imputation) == Day(days(expected), precision)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2013-02-30",
        "2013-13-01",
        "2013-00-10",
        "2013-13",
        "0000",
        "0000-05",
        "13",
        "soon",
        "01/02/2013x",
        "2013-05-07x",
        "٢٠١٣-٠٥-٠٧x",
    ],
)
def test_no_date(text):
    assert parse_date(text) is None


def test_day_first_is_not_month_first():
    assert parse_date("03/04/2015", "DD/MM/YYYY") == Day(days("2015-04-03"), "day")
    assert parse_date("03/04/2015", "MM/DD/YYYY") == Day(days("2015-03-04"), "day")
    assert parse_date("25/04/2015", "MM/DD/YYYY") is None
    assert formats_of("25/04/2015") == ("DD/MM/YYYY",)
    assert formats_of("03/04/2015") == ("DD/MM/YYYY", "MM/DD/YYYY")
    assert formats_of("2015-04") == ()


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_a_month_is_put_inside_itself(day):
    text = f"{day.year}-{day.month:02d}"
    first, middle, last = (parse_date(text, imputation=rule).day for rule in ("first", "middle", "last"))
    assert first < middle < last
    for found in (first, middle, last):
        assert (BEGIN + timedelta(found)).strftime("%Y-%m") == text
    assert (BEGIN + timedelta(last + 1)).month != day.month
