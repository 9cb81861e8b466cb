"""Simulated papers for `recheck`: clean ones, and ones with one planted fault each.

The patients, tests and intervals come from numpy and scipy.stats alone. Faults are planted as a typist or a careless
analyst makes them: in the finished text where a number is mistyped, in the counts where something was counted wrongly.

    python -m tests.truth.recheck_papers        prints the table of docs/recheck.md
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from sequela.audit.printed.grids import document
from sequela.audit.printed.recheck import check_document
from sequela.records.documents import html_grids


@dataclass
class Sheet:
    """A printed table as text; `spots` remembers where numbers stand that a fault may be planted in."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    spots: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


@dataclass
class Style:
    digits: int
    sign: str
    dash: str
    unknown: str  # how those without a value are printed: "row", or "silent"
    test: str
    total: bool


def style(rng):
    return Style(
        digits=int(rng.choice([0, 1, 1, 1, 2])),
        sign=str(rng.choice(["%", "%", ""])),
        dash=str(rng.choice(["–", " to ", "-", ", "])),
        unknown=str(rng.choice(["row", "silent"])),
        test=str(rng.choice(["Pearson", "Pearson", "Fisher"])),
        total=bool(rng.random() < 0.5),
    )


def rounded(value, digits):
    return f"{value:.{digits}f}"


def p_text(p):
    if p < 0.001:
        return "<0.001"
    return rounded(p, 3) if p < 0.1 else rounded(p, 2)


def p_of(counts, test):
    counts = counts[counts.sum(axis=1) > 0]
    if len(counts) < 2:
        return 1.0
    if test == "Fisher" and counts.shape == (2, 2):
        return stats.fisher_exact(counts)[1]
    return stats.chi2_contingency(counts, correction=(test == "Yates")).pvalue


def cell(count, of, look):
    return f"{count} ({rounded(100 * count / of, look.digits)}{look.sign})" if of else f"{count}"


class Baseline:
    """The table of characteristics, built row by row from simulated patients."""

    def __init__(self, rng, look, fault):
        self.rng, self.look, self.fault = rng, look, fault
        self.sizes = [int(n) for n in rng.integers(60, 400, size=2)]
        self.group = np.repeat([0, 1], self.sizes)
        head = ["Characteristic", f"Arm A (n = {self.sizes[0]})", f"Arm B (n = {self.sizes[1]})"]
        if look.total:
            head.append(f"All patients (n = {sum(self.sizes)})")
        caption = f"Table 1. Characteristics of the patients (N = {sum(self.sizes)})"
        self.sheet = Sheet(caption, [*head, "p value"], [])
        self.totals = {}

    def by_group(self, chosen):
        return [int((chosen & (self.group == g)).sum()) for g in (0, 1)]

    def row(self, label, counts, denominators, p="", spot=None):
        look = self.look
        text = [cell(c, d, look) for c, d in zip(counts, denominators, strict=True)]
        if look.total:
            text.append(cell(sum(counts), sum(denominators), look))
        if spot:
            places = [(len(self.sheet.rows), j + 1) for j in range(len(text))]
            self.sheet.spots.setdefault(spot, []).extend(places)
        self.sheet.rows.append([label, *text, p])

    def variable(self, label, names, values, eligible=None, spot="levels"):
        """`values` are level numbers, -1 where unknown; `eligible` are those it is asked of."""
        eligible = np.ones(len(values), bool) if eligible is None else eligible
        known = eligible & (values >= 0)
        counts = np.array([self.by_group(known & (values == k)) for k in range(len(names))])
        unknown = self.by_group(eligible & (values < 0))
        p = p_of(counts, self.look.test)
        self.sheet.rows.append([label, *[""] * (len(self.sheet.head) - 2), p_text(p)])
        self.sheet.spots.setdefault("p", []).append((len(self.sheet.rows) - 1, len(self.sheet.head) - 1))
        for name, count in zip(names, counts, strict=True):
            self.row(name, count, counts.sum(axis=0), spot=spot)
        if any(unknown) and self.look.unknown == "row":
            self.row("Unknown", unknown, [0, 0])
        self.totals[label] = (names, counts.sum(axis=1))
        return counts


def simulated(rng, n, shares, missing=0.0):
    values = rng.choice(len(shares), size=n, p=shares)
    return np.where(rng.random(n) < missing, -1, values)


def baseline(rng, look, fault):
    made = Baseline(rng, look, fault)
    n = sum(made.sizes)
    made.sheet.rows.append(
        ["Age, years, median (range)", "54 (26–87)", "57 (31–84)", *(["55 (26–87)"] * look.total), "0.34"]
    )
    made.sheet.rows.append(
        ["Body-mass index, mean (SD)", "24 (4)", "25 (5)", *(["24 (5)"] * look.total), "0.21"]
    )
    made.variable("Sex", ["Female", "Male"], simulated(rng, n, [0.7, 0.3]))
    er, pgr = simulated(rng, n, [0.6, 0.4]), simulated(rng, n, [0.5, 0.5])
    pgr = np.where(rng.random(n) < 0.6, er, pgr)
    made.variable("Estrogen receptor", ["Positive", "Negative"], er)
    made.variable("Progesterone receptor", ["Positive", "Negative"], pgr)
    joint = np.where((er == 0) & (pgr == 0), 0, np.where((er == 1) & (pgr == 1), 2, 1))
    if fault == "joint":
        alone = np.flatnonzero((er == 1) & (pgr == 0))
        joint[alone] = 2
    made.variable(
        "Receptor subtype", ["Both positive", "ER or PgR positive", "Both negative"], joint, spot="joint"
    )
    made.variable("Ki-67", ["≤20%", ">20%"], simulated(rng, n, [0.3, 0.7], 0.1))
    made.variable("Grade", ["G1", "G2", "G3"], simulated(rng, n, [0.1, 0.4, 0.5], 0.08))
    late = simulated(rng, n, [0.65, 0.35])
    made.variable("Metastatic at diagnosis", ["No", "Yes"], late)
    made.variable(
        "Adjuvant treatment", ["Yes", "No"], simulated(rng, n, [0.8, 0.2]), late == 0, spot="subgroup"
    )
    made.sheet.rows.append(["Sites of metastases", *[""] * (len(made.sheet.head) - 1)])
    for site, share in (("Bone", 0.5), ("Liver", 0.3), ("Lung", 0.4)):
        made.row(site, made.by_group(rng.random(n) < share), made.sizes)
    counts = np.array(made.by_group(rng.random(n) < 0.2))
    made.row(
        "Brain metastases",
        counts,
        made.sizes,
        p_text(p_of(np.array([counts, made.sizes - counts]), look.test)),
    )
    return made


def whole_cohort(rng, look, made, fault):
    """A table of all patients, of which the two arms are a part (or all)."""
    extra = int(rng.choice([0, 150]))
    n = sum(made.sizes) + extra
    sheet = Sheet(f"Table 2. The whole cohort (N = {n})", ["Characteristic", "N (%)"], [])
    for label in ("Sex", "Estrogen receptor", "Metastatic at diagnosis"):
        names, sums = made.totals[label]
        more = rng.multinomial(extra, [1 / len(names)] * len(names))
        counts = sums + more
        if fault == "across" and label == "Estrogen receptor":
            moved = int(counts[0] - 0.8 * sums[0])
            counts = counts + np.array([-moved, moved])
        sheet.rows.append([label, ""])
        sheet.rows += [[name, cell(c, n, look)] for name, c in zip(names, counts, strict=True)]
    return sheet


def models(rng, look):
    sheet = Sheet("Table 3. Hazard ratios for death", ["Variable", "HR (95% CI)", "p value"], [])
    for label in ("Arm B against A", "Age, per 10 years", "Grade 3", "Liver metastases", "Ki-67"):
        beta, se = rng.normal(0, 0.5), rng.uniform(0.08, 0.5)
        z = beta / se * (1 + (rng.normal(0, 0.02) if rng.random() < 0.5 else 0))  # Wald, or nearly so
        low, high = math.exp(beta - 1.959964 * se), math.exp(beta + 1.959964 * se)
        text = f"{rounded(math.exp(beta), 2)} ({rounded(low, 2)}{look.dash}{rounded(high, 2)})"
        sheet.rows.append([label, text, p_text(2 * stats.norm.sf(abs(z)))])
        sheet.spots.setdefault("ratio", []).append((len(sheet.rows) - 1, beta, se))
    return sheet


def survival(rng):
    head = ["Group", "Median survival, months (95% CI)", "Median follow-up, months (range)"]
    sheet = Sheet("Table 4. Survival", head, [])
    for label in ("Arm A", "Arm B"):
        median, longest = rng.uniform(12, 40), rng.uniform(60, 90)
        upper = f"{median * 1.3:.1f}" if rng.random() < 0.8 else "NR"
        follow = f"{rng.uniform(30, 50):.1f} (1.0–{longest:.1f})"
        sheet.rows.append([label, f"{median:.1f} ({median * 0.8:.1f}–{upper})", follow])
    return sheet


def pick(rng, places):
    return places[int(rng.integers(len(places)))]


def plant_percent(rng, look, sheets, made):
    i, j = pick(rng, made.sheet.spots["levels"])
    count, _, rest = made.sheet.rows[i][j].partition(" (")
    share = float(rest.rstrip(")%"))
    wrong = share + float(rng.choice([-1, 1])) * float(rng.choice([3, 7, 10]))
    made.sheet.rows[i][j] = f"{count} ({rounded(abs(wrong), look.digits)}{look.sign})"


def plant_count(rng, look, sheets, made):
    i, j = pick(rng, made.sheet.spots["levels"])
    count, _, rest = made.sheet.rows[i][j].partition(" (")
    wrong = int(count) + int(rng.choice([-1, 1])) * int(rng.choice([1, 9, 10, 18]))
    made.sheet.rows[i][j] = f"{abs(wrong)} ({rest}"


def plant_copy(rng, look, sheets, made):
    places = [p for p in made.sheet.spots["levels"] if p[1] == 2]
    i, j = pick(rng, places)
    neighbour = i + 1 if (i + 1, j) in places else i - 1
    made.sheet.rows[i][j] = made.sheet.rows[neighbour][1]


def plant_beyond(rng, look, sheets, made):
    i, j = pick(rng, [p for p in made.sheet.spots["levels"] if p[1] < 3])
    count, _, rest = made.sheet.rows[i][j].partition(" (")
    made.sheet.rows[i][j] = f"{count}{count[-1]} ({rest}"


def plant_total(rng, look, sheets, made):
    i, j = pick(rng, [p for p in made.sheet.spots["levels"] if p[1] == 3])
    size = sum(made.sizes)
    count = int(made.sheet.rows[i][j].partition(" (")[0]) + int(rng.choice([-1, 1])) * int(
        rng.integers(1, 12)
    )
    made.sheet.rows[i][j] = cell(abs(count), size, look)


def plant_size(rng, look, sheets, made):
    wrong = made.sizes[0] + int(rng.choice([-10, 10, 1, -1, 9]))
    made.sheet.head[1] = f"Arm A (n = {wrong})"


def plant_caption(rng, look, sheets, made):
    n = str(sum(made.sizes))
    made.sheet.caption = made.sheet.caption.replace(f"N = {n}", f"N = {n}{n[-1]}")


def plant_label(rng, look, sheets, made):
    labels = [i for i, row in enumerate(made.sheet.rows) if row[0] in ("Sex", "Grade", "Ki-67")]
    made.sheet.rows[pick(rng, labels)][0] = "Metastatic at diagnosis"


def plant_nothing(rng, look, sheets, made):
    """The fault is in the counts already."""


def plant_p(rng, look, sheets, made):
    i, j = pick(rng, made.sheet.spots["p"])
    made.sheet.rows[i][j] = p_text(rng.uniform(0.001, 0.999))


def plant_yates(rng, look, sheets, made):
    """The p-value of the row for sex, by Yates' correction."""
    i = next(i for i, row in enumerate(made.sheet.rows) if row[0] == "Sex")
    counts = np.array([[int(text.split(" ")[0]) for text in made.sheet.rows[k][1:3]] for k in (i + 1, i + 2)])
    made.sheet.rows[i][-1] = p_text(p_of(counts, "Yates"))


def _ratio(rng, look, sheets):
    sheet = sheets[2]
    i, beta, se = pick(rng, sheet.spots["ratio"])
    low, high = math.exp(beta - 1.959964 * se), math.exp(beta + 1.959964 * se)
    return sheet.rows[i], beta, se, low, high


def _write(row, value, low, high, look):
    row[1] = f"{rounded(value, 2)} ({rounded(low, 2)}{look.dash}{rounded(high, 2)})"


def plant_outside(rng, look, sheets, made):
    row, _, _, low, high = _ratio(rng, look, sheets)
    _write(row, high + rng.uniform(0.05, 0.5), low, high, look)


def plant_aside(rng, look, sheets, made):
    """The ratio of another model printed with this model's interval."""
    row, beta, se, low, high = _ratio(rng, look, sheets)
    _write(row, math.exp(beta + float(rng.choice([-1, 1])) * rng.uniform(0.3, 1.5) * se), low, high, look)


def plant_limits(rng, look, sheets, made):
    row, beta, _, low, high = _ratio(rng, look, sheets)
    _write(row, math.exp(beta), high, low, look)


def plant_ratio_p(rng, look, sheets, made):
    row, *_ = _ratio(rng, look, sheets)
    row[2] = p_text(rng.uniform(0.001, 0.999))


def plant_median(rng, look, sheets, made):
    row = sheets[3].rows[int(rng.integers(2))]
    row[1] = f"{rng.uniform(92, 120):.1f} (60.1–NR)"


FAULTS = {
    "a percentage mistyped": ("percent", plant_percent, {"P201"}),
    "a count mistyped": ("count", plant_count, {"P201", "P203"}),
    "a cell copied from its neighbour": ("copy", plant_copy, {"P204"}),
    "a digit doubled: more than the group": ("beyond", plant_beyond, {"P205"}),
    "a total that is not the sum": ("total", plant_total, {"P206"}),
    "a group size mistyped": ("size", plant_size, {"P203", "P207"}),
    "a digit doubled in the caption's N": ("caption", plant_caption, {"P209"}),
    "a label used twice": ("label", plant_label, {"P208"}),
    "a joint row counted wrongly": ("joint", plant_nothing, {"P210"}),
    "two tables that disagree": ("across", plant_nothing, {"P211"}),
    "a p-value of something else": ("p", plant_p, {"P301"}),
    "one row by Yates, the others by Pearson": ("yates", plant_yates, {"P302"}),
    "a ratio outside its interval": ("outside", plant_outside, {"P402"}),
    "a ratio with another interval": ("aside", plant_aside, {"P402", "P403"}),
    "limits in the wrong order": ("limits", plant_limits, {"P401"}),
    "a p-value with another ratio": ("ratio_p", plant_ratio_p, {"P404"}),
    "a median beyond the longest follow-up": ("median", plant_median, {"P501"}),
}


def paper(seed, name=None):
    """The sheets of one paper; `name` is the fault to plant."""
    rng = np.random.default_rng(seed)
    fault, plant, _ = FAULTS[name] if name else ("", plant_nothing, set())
    look = style(rng)
    if fault in ("total", "size"):
        look.total = True
    if fault == "yates":
        look.test = "Pearson"
    made = baseline(rng, look, fault)
    sheets = [made.sheet, whole_cohort(rng, look, made, fault), models(rng, look), survival(rng)]
    plant(rng, look, sheets, made)
    return sheets


def as_html(sheets):
    """The sheets as an HTML document; group rows and levels are not marked in any way."""
    parts = []
    for sheet in sheets:
        head = "".join(f"<th>{html.escape(text)}</th>" for text in sheet.head)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in sheet.rows
        )
        parts.append(
            f"<table><caption>{html.escape(sheet.caption)}</caption><thead><tr>{head}</tr></thead>{rows}</table>"
        )
    return "<html><body>" + "\n".join(parts) + "</body></html>"


def findings(sheets):
    return check_document(document("paper", html_grids(as_html(sheets))))


def detection(papers, start=0):
    """For each fault: papers in which it was reported under its own codes, and under any error or warning."""
    found = {}
    for name, (_, _, codes) in FAULTS.items():
        reports = [findings(paper(start + seed, name)) for seed in range(papers)]
        named = sum(any(finding.code in codes for finding in report) for report in reports)
        found[name] = (
            named,
            sum(any(f.severity != "note" or f.code in codes for f in report) for report in reports),
        )
    return found


def false_alarms(papers, start=1_000_000):
    """Clean papers with an error or warning, and with a note."""
    severities = [{finding.severity for finding in findings(paper(start + seed))} for seed in range(papers)]
    alarms = sum(bool(found & {"error", "warning"}) for found in severities)
    return alarms, sum("note" in found for found in severities)


def table(papers=100, clean=500):
    """The table of docs/recheck.md, in Markdown."""
    lines = ["| planted fault | its code | found | found as anything |", "|---|---|---|---|"]
    for name, (named, any_way) in detection(papers).items():
        lines.append(
            f"| {name} | {', '.join(sorted(FAULTS[name][2]))} | {named} of {papers} | {any_way} of {papers} |"
        )
    alarms, notes = false_alarms(clean)
    lines.append(f"| none, and an error or a warning | | {alarms} of {clean} | |")
    lines.append(f"| none, and a note | | {notes} of {clean} | |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
