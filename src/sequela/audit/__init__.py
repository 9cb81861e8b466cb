"""Can it be believed: the design, before and after the data are seen."""
