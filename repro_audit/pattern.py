"""Regular expressions that cannot hang: a small language, searched for in time linear in the text. Used by `match`.

A rule may come from the repository that is being audited, so its patterns must not be able to stop the run. Python's
`re` backtracks; this module reads the common part of its language itself and follows all ways at once (Thompson's
construction). Understood: literals, `.`, `[...]`, `\\d \\w \\s` and their opposites, `\\b ^ $`, groups, `|`,
`* + ? {m,n}` and a leading `(?i)`. Not understood, on purpose: back references and look-around.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from repro_audit.record import dataclass

# A copy is made for every round of {m,n}, so this bounds what one pattern may cost per character.
_MAX_STATES = 2_000
_MAX_NESTING = 50
_MAX_REPEAT = 1_000
_BAD_COUNT = f"a repeat count must be in order and at most {_MAX_REPEAT}"
_COUNTED = re.compile(r"\{(?:(\d+)|(\d*),(\d*))\}", re.ASCII)

Accept = Callable[[str], bool]


class PatternError(ValueError):
    """The pattern is broken or uses what is left out here; the message says which."""


@dataclass(slots=True, eq=False)
class _State:
    """A step of the machine: takes a character by `accept`, or passes on freely (where its `anchor` holds)."""

    accept: Accept | None = None
    anchor: str = ""
    next: tuple[_State, ...] = ()


@dataclass(slots=True, frozen=True)
class _Any:
    accept: Accept


@dataclass(slots=True, frozen=True)
class _Anchor:
    kind: str


@dataclass(slots=True, frozen=True)
class _Sequence:
    parts: tuple[_Node, ...]


@dataclass(slots=True, frozen=True)
class _Choice:
    options: tuple[_Node, ...]


@dataclass(slots=True, frozen=True)
class _Repeat:
    node: _Node
    least: int
    most: int | None


_Node = _Any | _Anchor | _Sequence | _Choice | _Repeat


def search(pattern: str) -> Callable[[str], bool]:
    """A function that tells whether `pattern` occurs in a text; raises PatternError."""
    reader = _Reader(pattern)
    tree = reader.read()
    size = [0]
    final = _State()
    start = _build(tree, final, size)
    if _repeats(tree) <= 1:
        # Nothing to go back and forth between: Python's own engine is as safe, and a hundred times as fast.
        found = re.compile(pattern).search
        return lambda text: found(text) is not None
    return _Machine(start, final).search


def _repeats(node: _Node) -> int:
    """How many repeats there are; a repeat of more than one character counts as many."""
    if isinstance(node, _Repeat):
        return 1 if isinstance(node.node, _Any) else 2
    parts = node.parts if isinstance(node, _Sequence) else node.options if isinstance(node, _Choice) else ()
    return sum(_repeats(part) for part in parts)


class _Reader:
    """Reads a pattern into a tree."""

    def __init__(self, pattern: str) -> None:
        self.fold = pattern.startswith("(?i)")
        self.text = pattern[4:] if self.fold else pattern
        self.at = 0
        self.depth = 0

    def read(self) -> _Node:
        node = self._choice()
        if self.at < len(self.text):
            raise PatternError("unbalanced `)`")
        return node

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _choice(self) -> _Node:
        self.depth += 1
        if self.depth > _MAX_NESTING:
            raise PatternError("groups nested too deep")
        options = [self._sequence()]
        while self._peek() == "|":
            self.at += 1
            options.append(self._sequence())
        self.depth -= 1
        return options[0] if len(options) == 1 else _Choice(tuple(options))

    def _sequence(self) -> _Node:
        parts: list[_Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return _Sequence(tuple(parts))

    def _repeated(self, node: _Node) -> _Node:
        sign = self._peek()
        bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(sign)
        if bounds is not None:
            self.at += 1
        elif sign == "{" and (counted := self._counted()) is not None:
            bounds = counted
        else:
            return node
        if isinstance(node, _Anchor):
            raise PatternError("nothing to repeat")
        if self._peek() == "?":  # lazy or greedy is the same to a yes-or-no question
            self.at += 1
        if self._peek() in ("*", "+") or (self._peek() == "{" and self._is_counted()):
            raise PatternError("a repeat of a repeat; put the inner one in a group")
        return _Repeat(node, *bounds)

    def _is_counted(self) -> bool:
        at = self.at
        found = self._counted() is not None
        self.at = at
        return found

    def _counted(self) -> tuple[int, int | None] | None:
        found = _COUNTED.match(self.text, self.at)
        if found is None:
            return None  # a brace that stands for itself, as in Python
        exactly, low, high = ("" if n is None else n.lstrip("0") or n[:1] for n in found.groups())
        if max(map(len, (exactly, low, high))) > len(str(_MAX_REPEAT)):
            raise PatternError(_BAD_COUNT)
        least = int(exactly or low or 0)
        most = int(exactly or high) if exactly or high else None
        if max(least, most or 0) > _MAX_REPEAT or (most is not None and most < least):
            raise PatternError(_BAD_COUNT)
        self.at = found.end()
        return least, most

    def _atom(self) -> _Node:
        char = self._peek()
        if char == "{" and self._is_counted():
            raise PatternError("nothing to repeat")
        self.at += 1
        if char == "(":
            if self._peek() == "?":
                if self.text[self.at : self.at + 2] != "?:":
                    raise PatternError("`(?` groups other than `(?:` and a leading `(?i)` are not available here")
                self.at += 2
            node = self._choice()
            if self._peek() != ")":
                raise PatternError("missing `)`")
            self.at += 1
            return node
        if char in "^$":
            return _Anchor(char)
        if char in "*+?":
            raise PatternError("nothing to repeat")
        if char == ".":
            return _Any(lambda c: c != "\n")
        if char == "[":
            return _Any(self._set())
        if char == "\\":
            if self._peek() == "b":
                self.at += 1
                return _Anchor("b")
            return _Any(self._escape())
        return _Any(self._literal(char))

    def _literal(self, char: str) -> Accept:
        if self.fold:
            folded = char.lower()
            return lambda c: c.lower() == folded
        return char.__eq__

    def _escape(self) -> Accept:
        char = self._peek()
        if not char:
            raise PatternError("a backslash at the end")
        self.at += 1
        test = _CLASSES.get(char.lower())
        if test is not None:
            return test if char.islower() else (lambda c: not test(c))
        if char in _CONTROLS:
            return _CONTROLS[char].__eq__
        if char.isalnum():
            raise PatternError(f"`\\{char}` is not available here")
        return char.__eq__

    def _set(self) -> Accept:
        negated = self._peek() == "^"
        self.at += negated
        tests: list[Accept] = []
        ranges: list[tuple[str, str]] = []
        first = True
        while True:
            char = self._peek()
            if not char:
                raise PatternError("missing `]`")
            if char == "]" and not first:
                self.at += 1
                break
            first = False
            low = self._set_item(tests)
            if low is None:
                continue
            high = low
            if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("", "]"):
                self.at += 1
                item = self._set_item(tests)
                if item is None or item < low:
                    raise PatternError("a bad range in `[...]`")
                high = item
            ranges.append((low, high))
        fold = self.fold

        def inside(c: str) -> bool:
            if any(low <= c <= high for low, high in ranges) or any(test(c) for test in tests):
                return True
            if fold and (other := c.swapcase()) != c:
                return any(low <= other <= high for low, high in ranges)
            return False

        return (lambda c: not inside(c)) if negated else inside

    def _set_item(self, tests: list[Accept]) -> str | None:
        """The next character of a set, or None after adding a class such as `\\d` to `tests`."""
        char = self._peek()
        self.at += 1
        if char != "\\":
            return char
        kind = self._peek()
        if kind.lower() in _CLASSES:
            tests.append(self._escape())
            return None
        if not kind or (kind.isalnum() and kind not in _CONTROLS):
            raise PatternError(f"`\\{kind}` is not available here")
        self.at += 1
        return _CONTROLS.get(kind, kind)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


_CLASSES: dict[str, Accept] = {"d": str.isdecimal, "w": _is_word, "s": str.isspace}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}


def _build(node: _Node, after: _State, size: list[int]) -> _State:
    """The states for `node`, leading to `after`; counts them in `size`."""
    size[0] += 1
    if size[0] > _MAX_STATES:
        raise PatternError("the pattern is too large once its repeats are written out")
    if isinstance(node, _Any):
        return _State(node.accept, next=(after,))
    if isinstance(node, _Anchor):
        return _State(anchor=node.kind, next=(after,))
    if isinstance(node, _Sequence):
        for part in reversed(node.parts):
            after = _build(part, after, size)
        return after
    if isinstance(node, _Choice):
        return _State(next=tuple(_build(option, after, size) for option in node.options))
    if node.most is None:
        loop = _State()
        loop.next = (_build(node.node, loop, size), after)
        after = loop
    else:
        end = after
        for _ in range(node.most - node.least):
            after = _State(next=(_build(node.node, after, size), end))
    for _ in range(node.least):
        after = _build(node.node, after, size)
    return after


class _Machine:
    """Runs the states over a text, all ways at once."""

    def __init__(self, start: _State, final: _State) -> None:
        self.start = start
        self.final = final

    def search(self, text: str) -> bool:
        """Whether the pattern occurs anywhere in `text`."""
        current: list[_State] = []
        for at in range(len(text) + 1):
            active, done = self._closure([*current, self.start], text, at)
            if done:
                return True
            if at < len(text):
                char = text[at]
                current = [s.next[0] for s in active if s.accept is not None and s.accept(char)]
        return False

    def _closure(self, states: list[_State], text: str, at: int) -> tuple[list[_State], bool]:
        """The states that take a character, reached from `states` without taking one; and whether it is over."""
        seen: set[int] = set()
        takers: list[_State] = []
        while states:
            state = states.pop()
            if id(state) in seen:
                continue
            seen.add(id(state))
            if state is self.final:
                return takers, True
            if state.accept is not None:
                takers.append(state)
            elif not state.anchor or _holds(state.anchor, text, at):
                states.extend(state.next)
        return takers, False


def _holds(anchor: str, text: str, at: int) -> bool:
    if anchor == "^":
        return at == 0
    if anchor == "$":
        return at == len(text) or (at == len(text) - 1 and text[at] == "\n")
    before = at > 0 and _is_word(text[at - 1])
    after = at < len(text) and _is_word(text[at])
    return before != after
