"""Results that say themselves in one sentence, in a terminal, in rich and in a notebook."""

from __future__ import annotations

import html
from abc import abstractmethod


class Spoken:
    """A result with a `sentence`: what it is, of how many, and the number that matters most."""

    __slots__ = ()

    @abstractmethod
    def sentence(self) -> str:
        """The result in one line."""

    def __str__(self) -> str:
        return self.sentence()

    def __repr__(self) -> str:
        return f"<{self.sentence()}>"

    def __rich__(self) -> str:
        return self.sentence().replace("[", "\\[")

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.sentence())}</p>"
