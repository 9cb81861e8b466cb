"""The shared nouns: frozen values with their invariants. No input, no output."""
