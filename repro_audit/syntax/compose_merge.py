"""The effective compose file: overrides merged in order, `extends` followed, as the specification says.

Works on trees, so that every value keeps the place, and the file, that it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Lookup

from repro_audit.record import replace
from repro_audit.syntax import compose, compose_value
from repro_audit.syntax.compose import Compose
from repro_audit.syntax.error import Error
from repro_audit.syntax.tree import Document, Entry, Mapping, Node, Scalar
from repro_audit.syntax.tree import Sequence as ListNode

# Gives the file that `extends` names, by its path as written and the path of the file that names it; None if missing.
Reader = Callable[[str, str], Compose | None]

# What a later file replaces as a whole.
_REPLACED = frozenset(("command", "entrypoint", "test"))
# Lists of `NAME=value` that may as well be mappings.
_PAIRS = frozenset(("environment", "labels", "args", "annotations", "sysctls", "extra_hosts", "additional_contexts"))
# Lists whose entries may as well be keys.
_NAMES = frozenset(("depends_on", "networks"))
_MAX_EXTENDS = 50


def merge(files: Sequence[Compose], reader: Reader | None = None, variables: Lookup[str, str] | None = None) -> Compose:
    """`compose.yaml` and its overrides as one file; with `reader`, `extends` into other files is followed too.

    Places of values lead to the files they stand in (`Value.source`). Unknown services, circles and missing files of
    `extends` are errors at the place that names them, in the first file only.
    """
    first = files[0]
    root = first.document.root
    for file in files[1:]:
        over = file.document.root
        if root is None:
            root = over
        elif over is not None:
            root = _merged(root, over, "")
    errors: list[Error] = []
    if isinstance(root, Mapping):
        root = _extended(root, first, reader, errors)
    document = Document(first.source, root, (), first.document.more)
    made = compose.from_document(document, variables)
    return replace(made, errors=(*first.document.errors, *errors, *made.errors))


# --- two values ----------------------------------------------------------------------------------------------------


def _merged(base: Node, over: Node, key: str) -> Node:
    """`over` on top of `base`, both values of `key`."""
    if over.tag == "!override" or key in _REPLACED or isinstance(over, Scalar):
        return base if isinstance(over, Scalar) and over.value is None and over.tag != "!reset" else over
    if key in _PAIRS or key in _NAMES:
        base, over = _as_mapping(base, key in _PAIRS), _as_mapping(over, key in _PAIRS)
    elif key == "build":
        base, over = _long_build(base), _long_build(over)
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return Mapping(base.span, tuple(_entries(base, over)), base.tag)
    if isinstance(base, ListNode) and isinstance(over, ListNode):
        return ListNode(base.span, tuple(_items(base, over, key)), base.tag)
    return over


def _entries(base: Mapping, over: Mapping) -> Iterator[Entry]:
    over.entry("")
    base.entry("")
    for name, entry in base._index.items():
        above = over._index.get(name)
        if above is None:
            yield entry
        elif above.value.tag != "!reset":
            yield Entry(entry.key, _merged(entry.value, above.value, name))
    for name, entry in over._index.items():
        if name not in base._index and entry.value.tag != "!reset":
            yield entry


def _items(base: ListNode, over: ListNode, key: str) -> Iterator[Node]:
    """Both lists, without what the second repeats: a volume of the same target, a port of the same numbers."""
    replaced = {_identity(item, key) for item in over.items} - {None}
    for item in base.items:
        if _identity(item, key) not in replaced:
            yield item
    yield from over.items


def _identity(node: Node, key: str) -> object:
    """What makes two entries of a list the same; None where nothing does."""
    if isinstance(node, Scalar):
        text = node.text
        source, span = node.content.source, node.span
        if key == "volumes":
            return compose_value.volume(text, span, source).target
        if key == "ports":
            made = compose_value.port(text, span, source, False)
            return (made.host_ip, made.published, made.target, made.protocol)
        return text
    if isinstance(node, Mapping):

        def part(name: str) -> str | None:
            value = node.get(name)
            return value.text if isinstance(value, Scalar) else None

        if key == "ports":
            return (part("host_ip"), part("published"), part("target"), part("protocol") or "tcp")
        if key in ("volumes", "secrets", "configs"):
            return part("target") or part("source")
        if key == "env_file":
            return part("path")
    return None


def _as_mapping(node: Node, pairs: bool) -> Node:
    """The mapping that a list of names, or of `NAME=value`, stands for."""
    if not isinstance(node, ListNode):
        return node
    entries: list[Entry] = []
    for item in node.items:
        if not isinstance(item, Scalar):
            return node
        content = item.content
        cut = min((i for i in (content.text.find(s) for s in ("=", ":")) if i > 0), default=-1) if pairs else -1
        if cut < 0:
            nothing = Scalar(item.span, "", None, content.sub(len(content.text), len(content.text)), True)
            entries.append(Entry(item, nothing))
            continue
        name, rest = content.sub(0, cut), content.sub(cut + 1, len(content.text))
        entries.append(
            Entry(
                Scalar(name.whole, name.text, name.text, name),
                Scalar(rest.whole if rest.text else item.span, rest.text, rest.text, rest),
            )
        )
    return Mapping(node.span, tuple(entries))


def _long_build(node: Node) -> Node:
    if not isinstance(node, Scalar) or node.value is None:
        return node
    name = node.content.sub(0, 0)
    return Mapping(node.span, (Entry(Scalar(node.span, "context", "context", name), node),))


# --- extends -------------------------------------------------------------------------------------------------------


def _extended(root: Mapping, file: Compose, reader: Reader | None, errors: list[Error]) -> Mapping:
    services = root.get("services")
    if not isinstance(services, Mapping):
        return root
    entries = []
    changed = False
    for entry in services.entries:
        value = entry.value
        if isinstance(value, Mapping) and value.entry("extends"):
            value = _resolved(entry.key.text, services, file, reader, errors)
            changed = True
        entries.append(Entry(entry.key, value, entry.merged))
    if not changed:
        return root
    whole = Mapping(services.span, tuple(entries), services.tag)
    return Mapping(
        root.span, tuple(Entry(e.key, whole) if e.key.text == "services" else e for e in root.entries), root.tag
    )


def _resolved(name: str, services: Mapping, file: Compose, reader: Reader | None, errors: list[Error]) -> Node:
    """The service with what it extends underneath, the whole chain of it."""
    chain: list[Mapping] = []
    seen: set[tuple[str, str]] = set()
    at: Node | None = services.get(name)
    place = None
    while isinstance(at, Mapping):
        mark = (file.source.path, name)
        if mark in seen or len(chain) >= _MAX_EXTENDS:
            errors.append(Error(place or at.span, f"`extends` runs in a circle through service `{name}`"))
            break
        seen.add(mark)
        chain.append(at)
        said = compose.extends_of(at)
        if said is None:
            break
        if place is None:
            place = said.span
        if said.file is not None:
            other = reader(said.file.shown, file.source.path) if reader else None
            if other is None:
                if reader:
                    errors.append(Error(place, f"`extends` names a file that cannot be read: `{said.file.shown}`"))
                break
            file = other
            root = other.document.root
            found = root.get("services") if isinstance(root, Mapping) else None
            services = found if isinstance(found, Mapping) else Mapping(at.span, ())
        name = said.service
        at = services.get(name)
        if at is None:
            errors.append(Error(place, f"`extends` names the service `{name}`, which does not exist"))
    made: Node = chain[-1]
    for over in reversed(chain[:-1]):
        made = _merged(made, _without_extends(over), "")
    return made


def _without_extends(node: Mapping) -> Mapping:
    return Mapping(node.span, tuple(e for e in node.entries if e.key.text != "extends"), node.tag)
