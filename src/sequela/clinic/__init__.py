"""Patients: tables → cohort → lines → endpoints."""
