"""Printed numbers checked against each other: what a table says of itself, without the data behind it."""
