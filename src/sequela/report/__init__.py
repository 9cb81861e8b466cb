"""Results and findings become tables, figures and one document. Nothing statistical is computed here."""
