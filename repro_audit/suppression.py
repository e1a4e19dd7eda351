"""Comments in audited files that silence findings: ours, hadolint's and BuildKit's. Called by the engine for each file.

    # repro-audit: ignore[id, DL3006] reason         this line, or the one below when alone on its line
    # repro-audit: ignore-file[id] reason            the whole file
    # hadolint ignore=DL3008,DL3009                  the instruction below
    # hadolint global ignore=DL3008                  the whole file
    # check=skip=JSONArgsRecommended;error=true      BuildKit's own directive, by BuildKit's names

A comment above an instruction of a Dockerfile covers all lines of it; one between its lines covers the next line.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NamedTuple

from repro_audit.finding import Edit, Finding, Fix, Severity
from repro_audit.record import dataclass, field
from repro_audit.source import Source, Span

if TYPE_CHECKING:
    from repro_audit.facts.file import FileFacts
    from repro_audit.syntax import dockerfile

_OURS = re.compile(r"repro-audit\s*:\s*([\w-]+)\s*(?:\[([^\]\n]*)\])?")
# One word after `ignore` that looks like a rule, and nothing more.
_BARE = re.compile(r"\s*([a-z0-9]+(?:-[a-z0-9]+)+|[A-Z][A-Z_-]*\d+)\s*(?:\*/)?\s*")
_HADOLINT = re.compile(r"\s*hadolint\s+(global\s+)?ignore\s*=\s*([A-Za-z0-9_ \t,]+)")
_NAME = re.compile(r"[^\s,]+")

# The names of BuildKit's checks, for `# check=skip=all`.
BUILDKIT_CHECKS = frozenset(
    name.lower()
    for name in (
        "StageNameCasing FromAsCasing NoEmptyContinuation ConsistentInstructionCasing FileConsistentCommandCasing "
        "DuplicateStageName ReservedStageName JSONArgsRecommended MaintainerDeprecated UndefinedArgInFrom "
        "UndefinedVar WorkdirRelativePath MultipleInstructionsDisallowed RedundantTargetPlatform "
        "SecretsUsedInArgOrEnv LegacyKeyValueFormat InvalidBaseImagePlatform InvalidDefaultArgInFrom "
        "FromPlatformFlagConstDisallowed CopyIgnoredFile InvalidDefinitionDescription ExposeProtoCasing "
        "ExposeInvalidFormat"
    ).split()
)


@dataclass(slots=True, frozen=True, eq=False)
class Suppression:
    """One comment that silences, as a fact: `on: suppression` rules see those of ours that had nothing to do.

    `names` are the ids, families or aliases it names (none: all rules). `first` and `last` are the lines it covers,
    0 and 0 for the whole file. `ours` when it is a `repro-audit:` comment; `span` is its place and `used` what of it
    was needed. `reason` is set by the engine for those that are reported.
    """

    source: Source
    span: Span
    names: tuple[str, ...]
    first: int
    last: int
    ours: bool
    reason: str = ""
    fix: Fix | None = None
    used: set[str] = field(default_factory=set)


class _Group:
    """Suppressions that cover the same lines, which are looked through once however many there are."""

    __slots__ = ("by_name", "done")

    def __init__(self, members: list[Suppression]) -> None:
        self.by_name: dict[str, list[tuple[Suppression, str]]] = {}
        self.done: set[str] = set()
        for suppression in members:
            for name in suppression.names or ("",):
                key = name.lower()
                if key == "all" and not suppression.ours:
                    for check in BUILDKIT_CHECKS:
                        self.by_name.setdefault(check, []).append((suppression, name))
                else:
                    self.by_name.setdefault(key, []).append((suppression, name))

    def silences(self, finding: Finding) -> bool:
        """Whether any names this finding, which stands where they cover; each remembers which of its names did."""
        hit = False
        for key in ("", finding.rule, finding.family, *(alias.lower() for alias in finding.aliases)):
            if key in self.by_name:
                hit = True
                if key not in self.done:
                    self.done.add(key)
                    for suppression, name in self.by_name[key]:
                        suppression.used.add(name)
        return hit


class Suppressions(NamedTuple):
    """All of a file. `faults` are comments of ours that make no sense; `check_errors` is BuildKit's `error=true`."""

    listed: tuple[Suppression, ...]
    faults: tuple[Suppression, ...] = ()
    check_errors: bool = False

    def apply(self, findings: list[Finding]) -> tuple[list[Finding], int]:
        """The findings that stay, and how many were silenced."""
        by_line = self._by_line()
        everywhere = by_line.get(0, [])
        kept: list[Finding] = []
        for finding in findings:
            line = finding.source.position(finding.span.start).line
            # Each one that covers it counts as used, so that none of two is called needless.
            if not [group for group in (*everywhere, *by_line.get(line, ())) if group.silences(finding)]:
                kept.append(self._raised(finding) if self.check_errors else finding)
        return kept, len(findings) - len(kept)

    def _by_line(self) -> dict[int, list[_Group]]:
        """The suppressions that cover each line, those for the whole file under 0."""
        by_range: dict[tuple[int, int], list[Suppression]] = {}
        for suppression in self.listed:
            by_range.setdefault((suppression.first, suppression.last), []).append(suppression)
        found: dict[int, list[_Group]] = {}
        for (first, last), members in by_range.items():
            group = _Group(members)
            for line in range(first, last + 1):
                # Ranges are whole instructions or single lines, so at most two meet on a line.
                found.setdefault(line, []).append(group)
        return found

    def unused(self, judged: AbstractSet[str], known: AbstractSet[str]) -> list[Suppression]:
        """Our comments that silenced nothing, or name what is not among the `known` names (all lower case).

        A name counts as needless only when it is in `judged`: all that it may mean has run.
        """
        from repro_audit.record import replace

        found = list(self.faults)
        for suppression in self.listed:
            if not suppression.ours:
                continue
            strange = [name for name in suppression.names if name.lower() not in known]
            idle = [name for name in suppression.names if name not in suppression.used and name.lower() in judged]
            if strange:
                named = ", ".join(f"`{name}`" for name in strange)
                found.append(replace(suppression, reason=f"no rule is called {named}"))
            if not suppression.names:
                if not suppression.used and "" in judged:
                    found.append(
                        replace(suppression, reason="there is nothing to ignore here", fix=_removal(suppression, []))
                    )
            elif idle and not strange:
                kept = [name for name in suppression.names if name not in idle]
                named = ", ".join(f"`{name}`" for name in idle)
                found.append(
                    replace(suppression, reason=f"{named} finds nothing here", fix=_removal(suppression, kept))
                )
        return found

    def _raised(self, finding: Finding) -> Finding:
        if finding.severity < Severity.ERROR and any(a.lower() in BUILDKIT_CHECKS for a in finding.aliases):
            from repro_audit.record import replace

            return replace(finding, severity=Severity.ERROR)
        return finding


NOTHING = Suppressions(())


def read(facts: FileFacts) -> Suppressions:
    """The suppressions of a file, from its comments and directives."""
    listed: list[Suppression] = []
    faults: list[Suppression] = []
    errors = False
    below = _Below(facts.source)
    instructions: tuple[dockerfile.Instruction, ...] = ()
    if facts.file.kind == "dockerfile":
        instructions = getattr(facts.ast, "instructions", ())
        for directive in getattr(facts.ast, "directives", ()):
            if directive.name == "check":
                names, errors = _check_directive(directive.value)
                if names:
                    listed.append(Suppression(facts.source, directive.span, names, 0, 0, False))
    for line, text in facts.comments:
        if "repro-audit" in text:
            _ours(facts, instructions, below, line, listed, faults)
        elif "hadolint" in text and (found := _HADOLINT.match(text)):
            names = tuple(_NAME.findall(found[2]))
            first, last = (0, 0) if found[1] else _covered(below, instructions, line)
            listed.append(Suppression(facts.source, _line_span(facts.source, line), names, first, last, False))
    return Suppressions(tuple(listed), tuple(faults), errors) if listed or faults or errors else NOTHING


def _ours(
    facts: FileFacts,
    instructions: tuple[dockerfile.Instruction, ...],
    below: _Below,
    line: int,
    listed: list[Suppression],
    faults: list[Suppression],
) -> None:
    source = facts.source
    shown = source.line(line)
    found = _OURS.search(shown)
    if found is None:
        return
    start = source.offset(line)
    span = Span(start + found.start(), start + found.end())
    word = found[1]
    if word not in ("ignore", "ignore-file"):
        if shown[: found.start()].strip(" \t#/*;"):
            return  # a sentence about this program
        reason = f"`{word}` is not understood; `ignore[...]` and `ignore-file[...]` are"
        faults.append(Suppression(source, span, (), 0, 0, True, reason))
        return
    if found[2] is None and (bare := _BARE.fullmatch(shown, found.end())):
        reason = f"without brackets it ignores every rule; write `{word}[{bare[1]}]`"
        faults.append(Suppression(source, span, (), 0, 0, True, reason))
        return
    names = tuple(dict.fromkeys(_NAME.findall(found[2] or "")))
    if found[2] is not None and not names:
        faults.append(Suppression(source, span, (), 0, 0, True, "it names no rule"))
        return
    if word == "ignore-file":
        first = last = 0
    elif shown.lstrip().startswith(("#", "//", "/*")):
        first, last = _covered(below, instructions, line)
    else:
        first = last = line
    listed.append(Suppression(source, span, names, first, last, True))


def _check_directive(value: str) -> tuple[tuple[str, ...], bool]:
    """`skip=A,B;error=true` as the names to skip and whether failing checks are errors."""
    names: tuple[str, ...] = ()
    errors = False
    for part in value.split(";"):
        key, _, setting = part.partition("=")
        if key.strip().lower() == "skip":
            names = tuple(name.lower() if name.lower() == "all" else name for name in _NAME.findall(setting))
        elif key.strip().lower() == "error":
            errors = setting.strip().lower() == "true"
    return names, errors


def _covered(below: _Below, instructions: tuple[dockerfile.Instruction, ...], line: int) -> tuple[int, int]:
    """The lines that a comment alone on `line` speaks for: the next line with content, or all of an instruction."""
    low, high = 0, len(instructions)
    while low < high:
        middle = (low + high) // 2
        if instructions[middle].end_line < line:
            low = middle + 1
        else:
            high = middle
    if low < len(instructions) and instructions[low].start_line > line:
        return instructions[low].start_line, instructions[low].end_line
    following = below.line(line)
    return following, following


class _Below:
    """The next line with content below each of a file's lines, asked for in ascending order."""

    __slots__ = ("first", "found", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.first = self.found = 0

    def line(self, number: int) -> int:
        if not self.first <= number < self.found:  # between them stand only comments, whose answer is the same
            self.first, self.found = number, number + 1
            while self.found <= self.source.line_count:
                text = self.source.line(self.found).strip()
                if text and not text.startswith(("#", "//")):
                    break
                self.found += 1
        return self.found


def _line_span(source: Source, line: int) -> Span:
    start = source.offset(line)
    return Span(start, start + len(source.line(line)))


def _removal(suppression: Suppression, kept: list[str]) -> Fix | None:
    """The edit that leaves only the names in `kept`, or takes the comment away."""
    source, span = suppression.source, suppression.span
    if kept:
        text = source.slice(span)
        head = text[: text.index("[")]
        return Fix("Remove what has no effect", (Edit(span, f"{head}[{', '.join(kept)}]"),))
    line = source.position(span.start).line
    start = source.offset(line)
    before = source.text[start : span.start]
    sign = max(before.rfind("#"), before.rfind("//"))
    if sign < 0:
        return None  # in a block comment, which may hold more
    if not before[:sign].strip():
        end = source.offset(line + 1) if line < source.line_count else len(source.text)
        return Fix("Remove the comment", (Edit(Span(start, end), ""),))
    end = start + len(source.line(line))
    return Fix("Remove the comment", (Edit(Span(start + len(before[:sign].rstrip()), end), ""),))
