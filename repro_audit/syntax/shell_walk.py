"""The tree that tree-sitter-bash gives, walked into simple commands as they are written, wrappers still on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from repro_audit.record import dataclass, field
from repro_audit.source import Excerpt
from repro_audit.syntax.error import Error
from repro_audit.syntax.shell_grammar import tree
from repro_audit.syntax.shell_heredoc import Heredoc, take_out
from repro_audit.syntax.shell_node import Redirect, Substitution, Word
from repro_audit.syntax.shell_place import Places
from repro_audit.syntax.shell_word import word

if TYPE_CHECKING:
    from tree_sitter import Node

_RUNS = re.compile(r"\$\(|`|<\(|>\(")
_CONTEXT_LIMIT = 100
_SUBSTITUTION_LIMIT = 40  # a word is read once for every substitution around it

_WORDS = frozenset(
    (
        "word", "number", "string", "raw_string", "ansi_c_string", "translated_string", "concatenation", "expansion",
        "simple_expansion", "command_substitution", "process_substitution", "arithmetic_expansion", "brace_expression",
        "variable_name", "special_variable_name", "command_name", "test_operator", "regex", "extglob_pattern", "array",
    )
)  # fmt: skip
_COMMANDS = frozenset(("command", "declaration_command", "unset_command", "test_command"))
_REDIRECTS = frozenset(("file_redirect", "herestring_redirect", "heredoc_redirect"))
_OPERATORS = {"&&": "&&", "||": "||", ";": ";", ";;": ";", "\n": ";", "&": "&", "|": "|", "|&": "|"}
_INSIDE = {
    "subshell": "subshell",
    "compound_statement": "group",
    "function_definition": "function",
    "while_statement": "loop",
    "for_statement": "loop",
    "c_style_for_statement": "loop",
    "if_statement": "if",
    "case_statement": "case",
    "command_substitution": "substitution",
    "process_substitution": "substitution",
}
_OWN_STATE = frozenset(("subshell", "command_substitution", "process_substitution", "function_definition"))
_UNSETTLED = frozenset(("if", "loop", "case", "subshell", "substitution", "function"))


class State(NamedTuple):
    """The shell options in force."""

    errexit: bool = False
    pipefail: bool = False


class Frame(NamedTuple):
    """A node still to be visited and what is known of its surroundings; `node` None puts `state` back."""

    node: Node | None
    context: tuple[str, ...]
    before: str | None
    after: str | None
    pipeline: int
    stage: int
    redirects: tuple[Node, ...]
    conditional: bool
    state: State | None = None


class Raw(NamedTuple):
    """A simple command as it is written. `inner` are the places of substitutions in its words, not yet visited."""

    start: int
    end: int
    words: list[tuple[int, int]]
    assignments: list[tuple[str, Word]]
    redirects: list[Redirect]
    frame: Frame
    state: State


@dataclass(slots=True)
class Walk:
    """One script being read. `commands` come in the order of the text."""

    excerpt: Excerpt
    places: Places
    assigned: list[tuple[str, Word, int]] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    errors: list[Error] = field(default_factory=list)
    heredocs: dict[int, Heredoc] = field(default_factory=dict)
    state: State = State(False, False)
    pipelines: int = 0


def walk(excerpt: Excerpt, state: State, conditional: bool = False) -> tuple[Walk, list[Raw]]:
    """Every simple command of the script in the order of the text, those of substitutions included."""
    text, heredocs = take_out(excerpt)
    result = Walk(excerpt, Places(excerpt), heredocs=heredocs, state=state)
    for heredoc in heredocs.values():
        if not heredoc.terminated:
            span = result.places.span(heredoc.at, heredoc.at + len(heredoc.op))
            result.errors.append(Error(span, "here-document has no end"))
    found = tree(text)
    if found is None:
        result.errors.append(Error(excerpt.whole, "too broken to be read as a shell script"))
        return result, []
    raws: list[Raw] = []
    stack = [Frame(found.root_node, (), None, None, 0, 0, (), conditional)]
    while stack:
        frame = stack.pop()
        node = frame.node
        if node is None:
            if frame.state is not None:
                result.state = frame.state
            continue
        kind = node.type
        if kind in _COMMANDS:
            raw = _command(result, node, frame, stack)
            if raw is not None:
                raws.append(raw)
        elif kind == "variable_assignment" or kind == "variable_assignments":
            _assignments(result, node, frame, stack)
        elif kind in _WORDS or kind == "array" or kind == "heredoc_body":
            _substitutions(result, node, frame, stack, raws)
        elif kind != "comment":
            _container(result, node, kind, frame, stack, raws)
    if result.errors:
        raws.sort(key=lambda raw: raw.start)
    return result, raws


def _plain(frame: Frame, node: Node) -> Frame:
    """A frame for what stands in a word: a place of its own, with the surroundings' context."""
    return Frame(node, frame.context, None, None, 0, 0, (), frame.conditional)


def _substitutions(result: Walk, node: Node, frame: Frame, stack: list[Frame], raws: list[Raw]) -> None:
    """Goes into a word for the commands of its substitutions."""
    kind = node.type
    if kind == "command_substitution" or kind == "process_substitution":
        _container(result, node, kind, frame, stack, raws)
    elif node.child_count and _RUNS.search(result.excerpt.text, node.start_byte, node.end_byte):
        stack.extend(_plain(frame, child) for child in reversed(node.children) if child.child_count)


def _container(result: Walk, node: Node, kind: str, frame: Frame, stack: list[Frame], raws: list[Raw]) -> None:
    """Puts the children of a list, pipeline, compound command or broken part on the stack, with their operators."""
    context = frame.context
    inside = _INSIDE.get(kind)
    if kind == "negated_command":
        inside = "negation"
    children = node.children
    if kind == "ERROR":
        _error(result, node, children, frame, raws)
    if inside == "substitution" and context.count(inside) >= _SUBSTITUTION_LIMIT:
        span = result.places.span(node.start_byte, node.end_byte)
        result.errors.append(Error(span, "substitutions nested too deeply to be read"))
        return
    if inside is not None and len(context) < _CONTEXT_LIMIT:
        context = (*context, inside)
    chained = kind in ("program", "list", "pipeline", "redirected_statement", "negated_command")
    redirects = frame.redirects
    if kind == "redirected_statement":
        own = tuple(child for child in children if child.type in _REDIRECTS)
        redirects = own + redirects
        children = [child for child in children if child.type not in _REDIRECTS]
    conditional = frame.conditional or inside in _UNSETTLED
    pipeline = frame.pipeline
    if kind == "pipeline":
        result.pipelines += 1
        pipeline = result.pipelines
        conditional = True
    condition = kind in ("if_statement", "elif_clause", "while_statement")
    frames: list[Frame] = []
    before = frame.before if chained else None
    stage = frame.stage if kind != "pipeline" else -1
    named = [i for i, child in enumerate(children) if child.is_named]
    last = named[-1] if named else -1
    previous: Node | None = None
    for i, child in enumerate(children):
        sort = child.type
        operator = _OPERATORS.get(sort)
        if operator is not None:
            before = operator
            continue
        if not child.is_named:
            if sort in ("then", "do"):
                condition = False
            before = None
            continue
        if kind == "function_definition" and sort == "word":
            result.functions.append(result.excerpt.text[child.start_byte : child.end_byte])
            continue
        if sort == "comment":
            continue
        if kind == "for_statement" and sort == "variable_name":
            _unknown(result, child)
            continue
        after = None
        following = children[i + 1] if i + 1 < len(children) else None
        if following is not None:
            after = _OPERATORS.get(following.type)
        if after is None and chained and i == last:
            after = frame.after
        if kind == "pipeline":
            stage += 1
        skipped = kind == "list" and (before == "||" or (before == "&&" and previous is not None and _tests(previous)))
        frames.append(
            Frame(
                child,
                (*context, "condition") if condition and sort != "do_group" and sort != "else_clause" else context,
                before,
                after,
                pipeline if chained else 0,
                max(stage, 0) if chained else 0,
                redirects if i == last and chained else (),
                conditional or skipped,
            )
        )
        previous = child
    if kind in _OWN_STATE:
        stack.append(Frame(None, (), None, None, 0, 0, (), False, result.state))
    if redirects and not chained:
        for redirect in redirects:
            stack.extend(_plain(frame, child) for child in redirect.children if child.type in _WORDS)
    stack.extend(reversed(frames))


def _tests(node: Node) -> bool:
    """Whether the statement (or the last one of the list) is a test, so that what follows `&&` is conditional."""
    while node.type == "list":
        node = node.children[-1]
    return node.type == "test_command"


def _error(result: Walk, node: Node, children: list[Node], frame: Frame, raws: list[Raw]) -> None:
    """Notes the error, and takes loose words that begin like a command for one."""
    near = result.excerpt.text[node.start_byte : node.end_byte].strip()[:30]
    span = result.places.span(node.start_byte, node.end_byte)
    result.errors.append(Error(span, f"syntax error near `{near}`" if near else "syntax error"))
    words: list[tuple[int, int]] = []
    for child in [*children, None]:
        sort = "" if child is None else child.type
        if child is not None and (sort == "command_name" or (words and sort in _WORDS)):
            words.append((child.start_byte, child.end_byte))
        elif words:
            result.pipelines += 1
            loose = _plain(frame, node)._replace(pipeline=result.pipelines)
            raws.append(Raw(words[0][0], words[-1][1], words, [], [], loose, result.state))
            words = []


def _unknown(result: Walk, name: Node) -> None:
    """Notes that a variable is set to something that only a run can tell."""
    start, end = name.start_byte, name.end_byte
    text = result.excerpt.text[start:end]
    span = result.places.span(start, end)
    result.assigned.append((text, Word(text, span, (Substitution(text, span),)), span.start))


def _assignment(result: Walk, node: Node) -> tuple[str, Word] | None:
    """Name and value of `NAME=value`; None for `NAME+=value` and `NAME[i]=value`, whose values are not followed."""
    children = node.children
    text = result.excerpt.text
    if len(children) < 2 or children[0].type != "variable_name" or children[1].type != "=":
        return None
    name = text[children[0].start_byte : children[0].end_byte]
    return name, word(result.places, children[1].end_byte, node.end_byte)


def _assignments(result: Walk, node: Node, frame: Frame, stack: list[Frame]) -> None:
    """Statements that only assign."""
    found = [node] if node.type == "variable_assignment" else node.children
    for assignment in found:
        if assignment.type == "variable_assignment":
            _assign(result, assignment, frame)
    stack.extend(_plain(frame, child) for a in reversed(found) for child in reversed(a.children) if child.child_count)


def _assign(result: Walk, node: Node, frame: Frame) -> None:
    pair = _assignment(result, node)
    if pair is None or frame.conditional:
        if node.children and not any(name in ("subshell", "substitution") for name in frame.context):
            _unknown(result, node.children[0])
        return
    result.assigned.append((*pair, result.excerpt.offset(node.start_byte)))


def _command(result: Walk, node: Node, frame: Frame, stack: list[Frame]) -> Raw | None:
    """The simple command of a `command`, `export`-like, `unset` or test node."""
    excerpt = result.excerpt
    text = excerpt.text
    words: list[tuple[int, int]] = []
    assignments: list[tuple[str, Word]] = []
    redirects: list[Redirect] = []
    visit: list[Node] = []
    kind = node.type
    children = node.children
    if kind == "test_command":
        children = _flat(node)
    elif kind == "declaration_command":
        for child in children:
            if child.type == "variable_assignment":
                _assign(result, child, frame)
    for child in children:
        sort = child.type
        if sort == "variable_assignment" and not words:
            pair = _assignment(result, child)
            if pair is not None:
                assignments.append(pair)
            visit.append(child)
        elif sort in _REDIRECTS:
            _redirect(result, child, words, redirects, visit)
        else:
            start, end = child.start_byte, child.end_byte
            if end > start:
                words.append((start, end))
                if child.child_count:
                    visit.append(child)
    for redirect in frame.redirects:
        _redirect(result, redirect, words, redirects, visit)
    end = node.end_byte
    if frame.redirects:
        end = max(end, *(redirect.end_byte for redirect in frame.redirects))
    for child in reversed(visit):
        if _RUNS.search(text, child.start_byte, child.end_byte):
            stack.append(_plain(frame, child))
    if not words:
        for child in children:
            if child.type == "variable_assignment":
                _assign(result, child, frame)
        return None
    words = _joined(text, words)
    if frame.pipeline == 0:
        result.pipelines += 1
        frame = frame._replace(pipeline=result.pipelines)
    raw = Raw(node.start_byte, end, words, assignments, redirects, frame, result.state)
    if text.startswith("set", words[0][0]) and words[0][1] - words[0][0] == 3:
        result.state = options([text[a:b] for a, b in words[1:]], result.state)
    return raw


def _joined(text: str, words: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The grammar parts `$` from the string in `$"x"`, and `{` from what follows; what touches is one word."""
    joined = [words[0]]
    for start, end in words[1:]:
        if start == joined[-1][1] and text[start - 1] not in ")(":
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _flat(node: Node) -> list[Node]:
    """The words of a test, operators among them."""
    found: list[Node] = []
    stack = [node]
    while stack:
        inner = stack.pop()
        if inner is not node and (inner.type in _WORDS or not inner.child_count):
            found.append(inner)
        else:
            stack.extend(reversed(inner.children))
    return found


def _redirect(
    result: Walk, node: Node, words: list[tuple[int, int]], redirects: list[Redirect], visit: list[Node]
) -> None:
    """Adds a redirection; the words that the grammar takes for further targets belong to the command."""
    excerpt = result.excerpt
    fd: int | None = None
    op = ""
    at = node.start_byte
    target: Word | None = None
    end = node.end_byte
    for child in node.children:
        sort = child.type
        if sort == "file_descriptor":
            digits = excerpt.text[child.start_byte : child.end_byte]
            fd = int(digits) if digits.isdecimal() and len(digits) < 6 else None
        elif not child.is_named and not op:
            op, at = sort, child.start_byte
            end = child.end_byte
        elif target is None:
            target = word(result.places, child.start_byte, child.end_byte)
            end = child.end_byte
            if child.child_count:
                visit.append(child)
        else:
            words.append((child.start_byte, child.end_byte))
            if child.child_count:
                visit.append(child)
    heredoc = result.heredocs.get(at)
    body = None
    if heredoc is not None:
        op, body = heredoc.op, heredoc.body
    redirects.append(Redirect(op, fd, target, result.places.span(node.start_byte, end), body))


def options(words: list[str], state: State) -> State:
    """The options in force after `set` (or a shell's start) with these words."""
    errexit, pipefail = state
    named = sign = False
    for text in words:
        if named and text[:1] not in "-+":
            if text == "pipefail":
                pipefail = sign
            elif text == "errexit":
                errexit = sign
            named = False
        elif len(text) > 1 and text[0] in "-+" and text[1] != "-":
            sign = text[0] == "-"
            if "e" in text[1:]:
                errexit = sign
            named = "o" in text[1:]
        else:
            break
    return State(errexit, pipefail)
