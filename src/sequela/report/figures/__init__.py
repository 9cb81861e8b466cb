"""Figures at their final size, laid out from measured text, with their caption, words and numbers."""

from sequela.report.figures.agreement import agreement
from sequela.report.figures.bars import bars
from sequela.report.figures.counts import RiskCounts, risk_counts
from sequela.report.figures.figure import Figure, save
from sequela.report.figures.flow import FlowStep, flow
from sequela.report.figures.forest import Comparison, ForestRow, forest, naive_and_corrected
from sequela.report.figures.kaplan_meier import kaplan_meier
from sequela.report.figures.love import love
from sequela.report.figures.swimmer import Event, Lane, Segment, swimmer
from sequela.report.figures.tipping import tipping

__all__ = [
    "Comparison",
    "Event",
    "Figure",
    "FlowStep",
    "ForestRow",
    "Lane",
    "RiskCounts",
    "Segment",
    "agreement",
    "bars",
    "flow",
    "forest",
    "kaplan_meier",
    "love",
    "naive_and_corrected",
    "risk_counts",
    "save",
    "swimmer",
    "tipping",
]
