"""The catalogue of checks: one definition of every rule, asked of a registry, or of one patient as a form is typed."""

from sequela.clinic.checks.rule import Records, Rule, rules
from sequela.clinic.checks.running import SEARCHES, Checked, broken, run_checks

__all__ = ["SEARCHES", "Checked", "Records", "Rule", "broken", "rules", "run_checks"]
