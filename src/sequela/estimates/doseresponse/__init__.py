"""Dose-response curves: bounded batched fits, profile intervals, reasons, comparison across experiments."""

from sequela.estimates.doseresponse.bands import mean_curve
from sequela.estimates.doseresponse.comparing import Comparison, compare, extra_sum_of_squares
from sequela.estimates.doseresponse.estimation import dose_response
from sequela.estimates.doseresponse.fit import Fit
from sequela.estimates.doseresponse.growth import growth_rate_inhibition
from sequela.estimates.doseresponse.mixed import MixedComparison, compare_mixed
from sequela.estimates.doseresponse.models import FORMS

__all__ = [
    "FORMS",
    "Comparison",
    "Fit",
    "MixedComparison",
    "compare",
    "compare_mixed",
    "dose_response",
    "extra_sum_of_squares",
    "growth_rate_inhibition",
    "mean_curve",
]
