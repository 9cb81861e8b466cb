"""Biopsies: Table 1 of the SePHER paper as it is printed, its lines, and the honest sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from sequela.bench.biopsies import biopsies
from sequela.bench.pictures import picture
from sequela.bench.stains import H_DAB, separate
from sequela.estimates.paired import paired_exact
from sequela.report import biopsy_tables
from sequela.report.content import Heading
from sequela.report.content_tables import House
from sequela.report.figures.biopsy_pairs import biopsy_figure, slopes_of
from sequela.report.figures.figure import save
from sequela.report.figures.rasters import Limits
from sequela.report.figures.slides import densities, marked_dab, slide_of
from sequela.report.image_content import Biopsied
from tests.truth.test_biopsies import TABLE_1

if TYPE_CHECKING:
    from pathlib import Path

HOUSE = House.of("plain", "month", None)
PRINTED = {  # Bon et al., J Exp Clin Cancer Res 2020; 39: 279, Table 1, cell by cell
    "Patient 1": ["90%", "90%", "2+", "70%", "amplified", "90%", "90%", "0", "0%", "–"],
    "Patient 2": ["90%", "40%", "2+", "30%", "amplified", "90%", "60%", "1+", "30%", "–"],
    "Patient 3": ["46%", "0%", "2+", "100%", "amplified", "75%", "18%", "1+", "15%", "amplified"],
    "Patient 4": ["88%", "42%", "3+", "100%", "–", "99%", "1%", "1+", "60%", "amplified"],
}


def content(frame=TABLE_1, **more) -> Biopsied:
    found = biopsies(frame)
    kinds = [kind for kind in ("score", "percent", "er", "pgr", "ki67") if kind in frame.columns]
    tests = {kind: paired_exact(*found.pair(kind)) for kind in kinds}
    return Biopsied(
        Heading("biopsies", "Receptors", "", ""), found, slopes_of(found, tests), (), simulated=False, **more
    )


def slides(white: int = 255):
    """Two invented slides of one patient: half of the first is brown, a quarter of the second."""
    rng = np.random.default_rng(1)
    unit = np.asarray(H_DAB) / np.linalg.norm(H_DAB, axis=1, keepdims=True)
    found = []
    for time, part in (("before", 0.5), ("after", 0.25)):
        dab = np.zeros((80, 80))
        dab[: int(80 * part)] = 0.8
        amounts = np.stack([rng.uniform(0.05, 0.3, dab.shape), dab], axis=-1)
        colours = np.clip(np.round((white + 1) * 10 ** -(amounts @ unit) - 1), 0, 255).astype(np.uint8)
        colours[-4:] = white
        source = picture(colours, f"{time}.png")
        found.append(slide_of(source, separate(source), patient="1", time=time, threshold=0.4))
    return tuple(found)


def words(figure):
    return [text.get_text() for text in figure.draw.texts]


def test_table_1_is_reproduced_cell_by_cell():
    table = biopsy_tables.readings(content(), None)
    assert {row.label: [cell.text for cell in row.cells] for row in table.rows} == PRINTED
    assert [column.label for column in table.columns] == ["ER", "PgR", "HER2 score", "HER2 %", "ISH"] * 2
    assert [column.spanner for column in table.columns] == ["Before"] * 5 + ["After"] * 5
    assert biopsy_tables.AMBIGUOUS in table.notes


def test_conversions_part_lower_scores_from_lost_statuses():
    table = biopsy_tables.statuses(content(), None)
    told = {row.label: [cell.text for cell in row.cells] for row in table.rows}
    assert told["Patient 1"] == ["positive → negative", "positive", "positive", "lower"]
    assert told["Patient 3"] == ["positive", "positive", "negative → positive", "lower"]
    assert told["Patient 4"] == ["positive", "positive", "positive", "lower"]
    assert told["Converted"] == ["2 of 4", "0 of 4", "1 of 4", "4 of 4 lower"]
    assert any("A lower score is not a lost status" in note for note in table.notes)


def test_four_pairs_say_that_they_cannot_reach_0_05():
    table = biopsy_tables.tests(content(), HOUSE, None)
    sentence = "With 4 pairs the smallest two-sided p is 0.125: no result here could be significant at 0.05"
    assert sentence in table.notes[0]
    rows = {row.label: [cell.text for cell in row.cells] for row in table.rows}
    assert rows["HER2 score"] == ["4", "4", "0", "0", "1.00 (0.40 to 1.00)", "0.125", "0.125", "0.125"]
    assert rows["HER2 (%)"][-1] == "0.250"
    figure = biopsy_figure(content().slopes)
    assert (
        "With 4 pairs the smallest two-sided p is 0.125: no result could be significant at 0.05."
        in figure.caption
    )
    assert "p = 0.125, least 0.125" in words(figure)
    assert figure.more["tests"]["least_p"] == [0.125, 0.25, 0.5, 0.25]
    same = pl.concat(
        [
            TABLE_1.filter(pl.col("time") == "before").with_columns(time=pl.lit(time))
            for time in ("before", "after")
        ]
    )
    assert "No pair differs." in biopsy_tables.tests(content(same), HOUSE, None).notes[0]


def test_every_line_is_a_patient_and_missing_values_have_none():
    figure = biopsy_figure(content().slopes)
    score = figure.draw.axes[0]
    lines = [line for line in score.get_lines() if len(line.get_xdata()) == 2]
    assert [tuple(line.get_ydata()) for line in lines] == [(2, 0), (2, 1), (2, 1), (3, 1)]
    assert figure.data["before"][:4] == [2, 2, 2, 3]
    assert figure.data["patient"][:4] == ["1", "2", "3", "4"]
    assert "4 3+ to 1+" in figure.alt
    one = content().slopes[1]
    lost = replace(one, after=(None, *one.after[1:]))
    panel = biopsy_figure([lost]).draw.axes[0]
    assert len([line for line in panel.get_lines() if len(line.get_xdata()) == 2]) == 3
    assert len([line for line in panel.get_lines() if line.get_color() == "white"]) == 1


def test_ki67_is_drawn_where_it_was_read_and_many_patients_are_coloured_by_direction():
    rng = np.random.default_rng(1)
    rows = [
        (str(at), time, 90, 90, "2+", 70, "amplified", int(rng.integers(5, 60)))
        for at in range(9)
        for time in ("before", "after")
    ]
    frame = pl.DataFrame(rows, schema=[*TABLE_1.columns, "ki67"], orient="row")
    found = content(frame)
    assert [one.name for one in found.slopes] == ["HER2 score", "HER2 (%)", "ER (%)", "PgR (%)", "Ki-67 (%)"]
    figure = biopsy_figure(found.slopes)
    assert {"lower", "higher", "equal"} <= set(words(figure))
    assert biopsy_tables.readings(found, None).columns[5].label == "Ki-67"


def test_slides_keep_their_colours_and_mark_what_is_positive(tmp_path: Path):
    both = slides()
    assert [one.positive for one in both] == pytest.approx([0.5, 0.25], abs=0.02)
    figure = biopsy_figure(content().slopes, both, pixel_um=0.5, banner="Simulated measurements")
    pictures = [np.asarray(image.get_array()) for axes in figure.draw.axes for image in axes.get_images()]
    assert len(pictures) == 4
    assert np.array_equal(pictures[0], both[0].colours)
    limits = densities(both)
    assert set(figure.more["slides"]["black_od"]) == {limits.high}
    marked = pictures[1].astype(int)
    orange = marked[..., 0] - marked[..., 2] > 20
    assert np.array_equal(orange, both[0].dab >= 0.4)
    assert f"DAB {100 * both[0].positive:.0f}% of the area" in words(figure)
    assert any(word.endswith("µm") for word in words(figure))
    assert "No scale bar" in biopsy_figure(content().slopes, both).caption
    paths = save(figure, tmp_path)
    assert {"tests", "slides"} <= set(paths)
    assert len(list(ElementTree.parse(paths["svg"]).iter("{http://www.w3.org/2000/svg}image"))) == 4


def test_more_dab_is_darker_on_either_side_of_the_threshold():
    level = marked_dab(np.linspace(0, 1, 11)[None], 0.45, Limits(0, 1)).astype(int).sum(axis=-1)[0]
    assert (np.diff(level[:5]) < 0).all()
    assert (np.diff(level[5:]) < 0).all()


def test_clipped_slides_say_so_and_eight_bits_a_colour_are_usual():
    both = slides()
    figure = biopsy_figure((), both)
    notes = [word for word in words(figure) if word.startswith("! ")]
    assert any("limit of the camera" in note for note in notes)
    assert not any("256 steps" in note for note in notes)
