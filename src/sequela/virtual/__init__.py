"""Invented patients, known to be invented: generators in which the truth is an argument."""
