"""Analyses that correct a comparison: by weights, standardisation, landmarks, imputation, and how far they hold."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sequela.study.parts import AnalysisPart, Expression, Words


class Weighted(AnalysisPart):
    """Groups compared after weighting by a propensity score: balance, weighted curves, hazard ratios."""

    kind: Literal["weighted"] = Field(description="the kind of analysis")
    endpoint: str = Field(description="the endpoint compared")
    covariates: Words = Field(description="covariates of the propensity score, settled when the clock starts")
    method: Literal["iptw", "overlap", "matching", "att"] = Field(
        "overlap",
        description="inverse probability of treatment (stabilised), overlap, matching, or average among the treated",
    )
    target: str | None = Field(
        None, description='for "att", the group the result is about; the last by default'
    )
    truncate: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="weights are cut at this quantile and at 1 minus it; 0.01 is usual for iptw",
    )
    cluster: Literal["centre"] | None = Field(None, description="errors and bootstrap by centre")
    samples: int = Field(500, ge=0, description="bootstrap samples; 0 leaves the robust interval")
    seed: int = Field(1, description="of the bootstrap")


class Standardised(AnalysisPart):
    """Survival were every patient in each group (g-formula): restricted means, survival at fixed times."""

    kind: Literal["standardised"] = Field(description="the kind of analysis")
    endpoint: str = Field(description="the endpoint compared")
    covariates: Words = Field(description="covariates of the outcome model, settled when the clock starts")
    outcome: Literal["cox", "cox_by_group", "weibull"] = Field(
        "cox", description="one Cox model, a Cox model in each group (no proportional hazards), or Weibull"
    )
    tau: float | None = Field(
        None,
        gt=0,
        description="horizon of the restricted means, in the report's unit; by default the last common time",
    )
    landmarks: tuple[float, ...] = Field(
        default=(), description="times of the differences in survival, same unit"
    )
    cluster: Literal["centre"] | None = Field(None, description="bootstrap by centre")
    samples: int = Field(500, ge=0, description="bootstrap samples; 0 leaves no interval")
    seed: int = Field(1, description="of the bootstrap")


class Landmark(AnalysisPart):
    """Groups compared from fixed times on; who is dead, lost or without a group by then is left out and counted."""

    kind: Literal["landmark"] = Field(description="the kind of analysis")
    endpoint: str = Field(description="the endpoint compared")
    landmarks: tuple[float, ...] = Field(min_length=1, description="the times, in the report's unit")
    covariates: Words = Field(default=(), description="covariates beside the groups")
    cluster: Literal["centre"] | None = Field(None, description="errors by centre")


class TimeDependent(AnalysisPart):
    """A treatment that starts during follow-up: unexposed before, exposed after (Mantel and Byar)."""

    kind: Literal["time_dependent"] = Field(description="the kind of analysis")
    endpoint: str = Field(description="the endpoint modelled")
    exposure: Expression = Field(description="the moment at which exposure starts, such as `line[2].start`")
    label: str = Field("exposed", description="of the exposure, as printed")
    covariates: Words = Field(default=(), description="covariates beside the exposure")
    cluster: Literal["centre"] | None = Field(None, description="errors by centre")


class Imputed(AnalysisPart):
    """A Cox model of the groups with missing covariates imputed, beside the complete cases."""

    kind: Literal["imputed"] = Field(description="the kind of analysis")
    endpoint: str = Field(description="the endpoint modelled")
    covariates: Words = Field(
        description="covariates beside the groups; the missing values among them are imputed"
    )
    method: Literal["smcfcs", "chained"] = Field(
        "smcfcs", description="agreeing with the Cox model, or chained equations with the cumulative hazard"
    )
    imputations: int = Field(20, ge=2, description="completed data sets")
    iterations: int = Field(10, ge=2, description="rounds before each is taken")
    cluster: Literal["centre"] | None = Field(None, description="errors by centre")
    seed: int = Field(1, description="of the draws")


class TippingPoint(AnalysisPart):
    """How far what is missing must depart from what was seen until the conclusion changes; two groups."""

    kind: Literal["tipping_point"] = Field(description="the kind of analysis")
    endpoint: str = Field(description="the endpoint compared")
    of: str = Field(
        "censoring",
        description='"censoring" (the hazard after it times delta), or a covariate (shifted by delta)',
    )
    covariates: Words = Field(default=(), description="of the imputation model, when a covariate is moved")
    deltas: tuple[float, ...] = Field(
        default=(), description="departures tried; 1 to 10 for censoring, 0 to 3 for a covariate, by default"
    )
    imputations: int = Field(20, ge=2, description="completed data sets at each departure")
    iterations: int = Field(10, ge=2, description="rounds before each is taken, when a covariate is moved")
    seed: int = Field(1, description="of the draws")


Adjusting = Weighted | Standardised | Landmark | TimeDependent | Imputed | TippingPoint
