"""Bytes in, typed columns out, with a finding for everything that does not fit; and out again."""
