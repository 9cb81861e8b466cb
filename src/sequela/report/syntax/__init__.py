"""The study's tables as programs for SPSS, R and SAS, to be run on the exported analysis set."""
