"""The expression grammar of the study file, and its frozen tree.

    expression  :=  conjunction ("or" conjunction)*
    conjunction :=  negation ("and" negation)*
    negation    :=  "not" negation | comparison
    comparison  :=  sum (("==" | "!=" | "<" | "<=" | ">" | ">=") sum | "in" list | "is" ["not"] "missing")?
    sum         :=  term (("+" | "-") term)*
    term        :=  number ["days" | "weeks" | "months" | "years"] | "text" | "(" expression ")"
                 |  "line" "[" n "]" "has" agent | "line" "[" n "]" "." ("start" | "end" | "duration")
                 |  "line" "[" n "]" "stopped" "for" "text"
                 |  "any" "line" "has" agent | "line_of" "(" agent ")" [".start"] | "lines"
                 |  name | name ".date"

Every comparison is three-valued: a missing operand makes it unknown, and `not unknown` is unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from sequela.core.units import DAYS_PER

LineField = Literal["start", "end", "duration"]
Comparison = Literal["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Number:
    """A number; a duration is already in days."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A level, in quotation marks."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """A variable of the patient."""

    name: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The day of a declared anchor: `metastatic.date`."""

    name: str


@dataclass(frozen=True, slots=True)
class LineMoment:
    """`line[2].start`, `line[1].end` (days) or `line[1].duration` (days)."""

    number: int
    field: LineField


@dataclass(frozen=True, slots=True)
class LineHas:
    """`line[1] has pertuzumab`: an agent or a class; `number` None is any line."""

    number: int | None
    agent: str


@dataclass(frozen=True, slots=True)
class LineStopped:
    """`line[1] stopped for "toxicity"`: the recorded reason of the line's last stop."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class LineOf:
    """`line_of(t_dm1)`: the number of the first line with the agent or class; missing when there is none."""

    agent: str


@dataclass(frozen=True, slots=True)
class LineOfStart:
    """`line_of(t_dm1).start`: the day on which the first line with the agent or class starts."""

    agent: str


@dataclass(frozen=True, slots=True)
class LineCount:
    """`lines`: how many lines the patient had."""


@dataclass(frozen=True, slots=True)
class Sum:
    """`left + right` or `left - right`."""

    left: Node
    sign: Literal[1, -1]
    right: Node


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`."""

    left: Node
    op: Comparison
    right: Node


@dataclass(frozen=True, slots=True)
class Among:
    """`left in ["a", "b"]`."""

    left: Node
    values: tuple[float | str, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """`left is missing`; never unknown itself."""

    left: Node


@dataclass(frozen=True, slots=True)
class Not:
    """`not inner`."""

    inner: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of the parts."""

    parts: tuple[Node, ...]


Node = (
    Number
    | Text
    | Name
    | Anchor
    | LineMoment
    | LineHas
    | LineStopped
    | LineOf
    | LineOfStart
    | LineCount
    | Sum
    | Compare
    | Among
    | Missing
    | Not
    | And
    | Or
)
Atom = Name | Anchor | LineMoment | LineHas | LineStopped | LineOf | LineOfStart | LineCount


class ExpressionError(ValueError):
    """The text is no expression; `position` counts characters from 0."""

    def __init__(self, message: str, text: str, position: int, expected: str = "") -> None:
        super().__init__(message)
        self.message, self.text, self.position, self.expected = message, text, position, expected

    def pointer(self) -> str:
        """The text with a caret under the fault."""
        return f"{self.text}\n{' ' * self.position}^"


_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>"[^"]*"|'[^']*')|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<op>==|!=|<=|>=|[<>()\[\],.+\-]))"""
)
_UNITS: Final = {f"{unit}{plural}": days for unit, days in DAYS_PER.items() for plural in ("", "s")}
_WORDS: Final = frozenset({"and", "or", "not", "in", "is", "has", "missing", "any"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            hint = "write `==` to compare" if text[at] == "=" else f"{text[at]!r} has no meaning here"
            raise ExpressionError(hint, text, at)
        kind = match.lastgroup or ""
        found.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    found.append(_Token("end", "", len(text)))
    return found


class _Parser:
    """Recursive descent, one method a rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.at = text, _tokens(text), 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def fail(self, expected: str) -> ExpressionError:
        found = f"`{self.now.text}`" if self.now.text else "the end"
        return ExpressionError(f"expected {expected}, found {found}", self.text, self.now.position, expected)

    def accept(self, *words: str) -> str | None:
        if self.now.kind in ("name", "op") and self.now.text in words:
            self.at += 1
            return self.tokens[self.at - 1].text
        return None

    def need(self, word: str) -> None:
        if self.accept(word) is None:
            raise self.fail(f"`{word}`")

    def name(self, expected: str) -> str:
        if self.now.kind != "name" or self.now.text in _WORDS:
            raise self.fail(expected)
        self.at += 1
        return self.tokens[self.at - 1].text

    def quoted(self, expected: str) -> str:
        if self.now.kind != "text":
            raise self.fail(expected)
        self.at += 1
        return self.tokens[self.at - 1].text[1:-1]

    def whole(self) -> Node:
        node = self.disjunction()
        if self.now.kind != "end":
            raise self.fail("`and`, `or`, a comparison or the end")
        return node

    def disjunction(self) -> Node:
        parts = [self.conjunction()]
        while self.accept("or"):
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def conjunction(self) -> Node:
        parts = [self.negation()]
        while self.accept("and"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negation(self) -> Node:
        return Not(self.negation()) if self.accept("not") else self.comparison()

    def comparison(self) -> Node:
        left = self.sum()
        if op := self.accept("==", "!=", "<=", ">=", "<", ">"):
            return Compare(left, op, self.sum())  # type: ignore[arg-type]
        if self.accept("in"):
            return Among(left, self.values())
        if self.accept("is"):
            negated = self.accept("not") is not None
            self.need("missing")
            return Not(Missing(left)) if negated else Missing(left)
        return left

    def values(self) -> tuple[float | str, ...]:
        self.need("[")
        found: list[float | str] = []
        while not self.accept("]"):
            term = self.term()
            if not isinstance(term, (Number, Text)):
                raise self.fail("a number or a text in quotation marks")
            found.append(term.value)
            if self.now.text != "]":
                self.need(",")
        return tuple(found)

    def sum(self) -> Node:
        left = self.term()
        while sign := self.accept("+", "-"):
            left = Sum(left, 1 if sign == "+" else -1, self.term())
        return left

    def term(self) -> Node:
        token = self.now
        if token.kind == "number":
            self.at += 1
            unit = self.accept(*_UNITS)
            return Number(float(token.text) * (_UNITS[unit] if unit else 1.0))
        if token.kind == "text":
            self.at += 1
            return Text(token.text[1:-1])
        if self.accept("("):
            inner = self.disjunction()
            self.need(")")
            return inner
        if self.accept("any"):
            self.need("line")
            self.need("has")
            return LineHas(None, self.name("an agent or a class"))
        return self.named()

    def named(self) -> Node:
        name = self.name("a variable, an anchor, `line[1]`, `lines`, a number or a text in quotation marks")
        if name == "lines":
            return LineCount()
        if name == "line":
            return self.line()
        if name == "line_of":
            self.need("(")
            agent = self.name("an agent or a class")
            self.need(")")
            if self.accept("."):
                self.need("start")
                return LineOfStart(agent)
            return LineOf(agent)
        if self.accept("."):
            self.need("date")
            return Anchor(name)
        return Name(name)

    def line(self) -> Node:
        self.need("[")
        if self.now.kind != "number" or not self.now.text.isdigit() or int(self.now.text) < 1:
            raise self.fail("the number of a line, from 1")
        number = int(self.now.text)
        self.at += 1
        self.need("]")
        if self.accept("has"):
            return LineHas(number, self.name("an agent or a class"))
        if self.accept("stopped"):
            self.need("for")
            return LineStopped(number, self.quoted("a reason in quotation marks"))
        self.need(".")
        field = self.accept("start", "end", "duration")
        if field is None:
            raise self.fail("`start`, `end` or `duration`")
        return LineMoment(number, field)  # type: ignore[arg-type]


def parse(text: str) -> Node:
    """The tree of `text`.

    Raises:
        ExpressionError: the text does not follow the grammar; says what was expected, and where.
    """
    return _Parser(text).whole()


def children(node: Node) -> tuple[Node, ...]:
    """The direct parts of a node."""
    match node:
        case Sum(left, _, right) | Compare(left, _, right):
            return (left, right)
        case Among(left, _) | Missing(left) | Not(left):
            return (left,)
        case And(parts) | Or(parts):
            return parts
        case _:
            return ()


def atoms(node: Node) -> tuple[Atom, ...]:
    """Every atom that refers to the patient, in the order of the text, repeated as written."""
    if isinstance(node, (Name, Anchor, LineMoment, LineHas, LineStopped, LineOf, LineOfStart, LineCount)):
        return (node,)
    return tuple(atom for part in children(node) for atom in atoms(part))


def write(node: Node) -> str:
    """The node as text in the grammar (for messages)."""
    match node:
        case Number(value):
            return f"{value:g}"
        case Text(value):
            return f'"{value}"'
        case Name(name):
            return name
        case Anchor(name):
            return f"{name}.date"
        case LineMoment(number, field):
            return f"line[{number}].{field}"
        case LineHas(number, agent):
            return f"{'any line' if number is None else f'line[{number}]'} has {agent}"
        case LineStopped(number, reason):
            return f'line[{number}] stopped for "{reason}"'
        case LineOf(agent):
            return f"line_of({agent})"
        case LineOfStart(agent):
            return f"line_of({agent}).start"
        case LineCount():
            return "lines"
        case _:
            return _write_compound(node)


def _write_compound(node: Node) -> str:
    match node:
        case Sum(left, sign, right):
            return f"{write(left)} {'+' if sign > 0 else '-'} {write(right)}"
        case Compare(left, op, right):
            return f"{write(left)} {op} {write(right)}"
        case Among(left, values):
            allowed = (f"{value:g}" if isinstance(value, float) else f'"{value}"' for value in values)
            return f"{write(left)} in [{', '.join(allowed)}]"
        case Missing(left):
            return f"{write(left)} is missing"
        case Not(inner):
            return f"not ({write(inner)})"
        case And(parts):
            return " and ".join(f"({write(part)})" if isinstance(part, Or) else write(part) for part in parts)
        case Or(parts):
            return " or ".join(write(part) for part in parts)
        case _:
            raise TypeError(node)
