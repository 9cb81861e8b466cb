"""Figures at their final size, laid out from measured text; each with caption, words for those who cannot see, numbers."""

from sequela.report.figures.counts import RiskCounts, risk_counts
from sequela.report.figures.figure import Figure, save
from sequela.report.figures.kaplan_meier import kaplan_meier

__all__ = ["Figure", "RiskCounts", "kaplan_meier", "risk_counts", "save"]
