"""Models and data sets that Python code fetches: `from_pretrained`, `torch.hub.load`, `load_dataset` and others.

The code is parsed, never run.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from repro_audit.facts.address import of_revision, of_url
from repro_audit.facts.input import Download
from repro_audit.facts.pin import Level, Pin
from repro_audit.source import Excerpt, Span

if TYPE_CHECKING:
    import ast

    from repro_audit.facts.command import Command

_LIMIT = 50_000
_HF_MAIN = "no revision: the newest commit of the main branch is taken"


class _Call(NamedTuple):
    """What a function fetches: its kind, where the name stands, which cache it fills."""

    kind: str
    keywords: tuple[str, ...]
    cache: str


_CALLS = {
    "from_pretrained": _Call("model", ("pretrained_model_name_or_path",), "huggingface"),
    "snapshot_download": _Call("model", ("repo_id",), "huggingface"),
    "hf_hub_download": _Call("model", ("repo_id",), "huggingface"),
    "SentenceTransformer": _Call("model", ("model_name_or_path",), "huggingface"),
    "CrossEncoder": _Call("model", ("model_name", "model_name_or_path"), "huggingface"),
    "WhisperModel": _Call("model", ("model_size_or_path",), "huggingface"),
    "load_dataset": _Call("dataset", ("path",), "huggingface"),
    "hub.load": _Call("model", ("repo_or_dir",), "torch"),
    "load_state_dict_from_url": _Call("model", ("url",), "torch"),
    "whisper.load_model": _Call("model", ("name",), "whisper"),
    "nltk.download": _Call("dataset", ("info_or_id",), "nltk"),
    "cli.download": _Call("model", ("model",), ""),
    "urlretrieve": _Call("download", ("url",), ""),
}
_HINTS = (*(name.rpartition(".")[2] for name in _CALLS), "load", "nltk", "pipeline")


def of_python(command: Command) -> Iterator[Download]:
    """What `python -c CODE`, or Python fed by a here-document, fetches."""
    args = command.args
    if "-c" in args[:-1]:
        index = args.index("-c") + 1
        word = command.words[index + 1]
        code = args[index]
        inner = word.raw[1:-1] if word.raw[:1] in "'\"" else word.raw
        exact = inner == code and word.span.end - word.span.start == len(word.raw)
        shift = word.span.start + (1 if word.raw[:1] in "'\"" else 0) if exact else None
        yield from _in_code(command, code, word.span, shift, None)
    elif not args or args[0] in ("-", "-u", "-"):
        for redirect in command.node.redirects:
            if redirect.body is not None:
                yield from _in_code(command, redirect.body.text, redirect.span, None, redirect.body)


def _in_code(command: Command, code: str, whole: Span, shift: int | None, body: Excerpt | None) -> Iterator[Download]:
    if len(code) > _LIMIT or not any(hint in code for hint in _HINTS):
        return
    import ast
    import textwrap
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(textwrap.dedent(code).lstrip() if shift is None and body is None else code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    starts = [0]
    for line in code.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found = _download(command, node, whole)
            if found is not None:
                download, value = found
                if code.isascii() and value.end_col_offset is not None and value.end_lineno is not None:
                    low = starts[value.lineno - 1] + value.col_offset
                    high = starts[value.end_lineno - 1] + value.end_col_offset
                    if body is not None:
                        download = _moved(download, body.span(low, high))
                    elif shift is not None:
                        download = _moved(download, Span(shift + low, shift + high))
                yield download


def _moved(download: Download, span: Span) -> Download:
    from repro_audit.record import replace

    return replace(download, span=span)


def _dotted(node: ast.expr) -> str:
    import ast

    names: list[str] = []
    while isinstance(node, ast.Attribute) and len(names) < 10:
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        names.append(node.id)
    return ".".join(reversed(names))


def _download(command: Command, node: ast.Call, whole: Span) -> tuple[Download, ast.expr] | None:
    import ast

    function = _dotted(node.func)
    last = function.rpartition(".")[2]
    known = _CALLS.get(last)
    if known is None:
        known = next(
            (call for name, call in _CALLS.items() if "." in name and ("." + function).endswith("." + name)), None
        )
    keywords = {item.arg: item.value for item in node.keywords if item.arg}
    if last == "pipeline" and "model" in keywords:
        known, value = _CALLS["from_pretrained"], keywords["model"]
    elif known is None:
        return None
    else:
        found = node.args[0] if node.args else next((keywords[k] for k in known.keywords if k in keywords), None)
        if found is None:
            return None
        value = found
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
        return None
    name = value.value
    local = keywords.get("local_files_only")
    if (
        not name
        or name.startswith(("/", "./", "../", "~"))
        or (isinstance(local, ast.Constant) and local.value is True)
    ):
        return None
    kind = known.kind
    repo_type = keywords.get("repo_type")
    if isinstance(repo_type, ast.Constant) and repo_type.value == "dataset":
        kind = "dataset"
    revision = _text(keywords.get("revision"))
    if last == "load" and known.cache == "torch":
        if isinstance(keywords.get("source"), ast.Constant) and _text(keywords.get("source")) == "local":
            return None
        name, _, revision = name.partition(":")
        pin = of_revision(revision, "no revision: the newest commit of the default branch is taken")
    elif known.cache == "huggingface":
        pin = of_revision(revision, _HF_MAIN)
    elif "://" in name:
        pin = of_url(name)
    elif known.cache == "whisper":
        pin = Pin(Level.IMMUTABLE, "the package knows the model's checksum")
    else:
        pin = Pin(Level.FLOATING, "the newest is taken")
    target = _text(keywords.get("local_dir")) or _text(keywords.get("cache_dir")) or _text(keywords.get("download_dir"))
    return (
        Download(
            source=command.source,
            span=whole,
            kind=kind,
            tool=last,
            name=name,
            url=name if "://" in name else None,
            revision=revision or None,
            verified=pin.level is Level.HASHED,
            pin=pin,
            command=command,
            stage=command.stage,
            cache_mount=under_mount(command, target or cache(command, known.cache)),
        ),
        value,
    )


def _text(node: ast.expr | None) -> str | None:
    import ast

    if node is None:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    return "$" + type(node).__name__.lower()


_DEFAULTS = {"huggingface": "huggingface/hub", "torch": "torch/hub", "whisper": "whisper"}


def home(command: Command) -> str:
    """The home folder of the user that the command runs as."""
    known = command.variables.get("HOME")
    if known:
        return known
    user = (command.user or "root").partition(":")[0]
    return "/root" if user in ("root", "0") else f"/home/{user}"


def cache(command: Command, tool: str) -> str | None:
    """Where the libraries of `tool` (`huggingface`, `torch`, `nltk`, `whisper`, `ollama`) put what they fetch."""
    value = command.variables.get
    given: str | None = None
    if tool == "huggingface":
        own = value("HF_HOME")
        given = value("HF_HUB_CACHE") or value("HUGGINGFACE_HUB_CACHE") or (own and own.rstrip("/") + "/hub")
        given = given or value("TRANSFORMERS_CACHE")
    elif tool == "torch":
        own = value("TORCH_HOME")
        given = own and own.rstrip("/") + "/hub"
    elif tool == "nltk":
        return value("NLTK_DATA") or home(command) + "/nltk_data"
    elif tool == "ollama":
        return value("OLLAMA_MODELS") or home(command) + "/.ollama/models"
    if given:
        return given
    default = _DEFAULTS.get(tool)
    if default is None:
        return None
    return (value("XDG_CACHE_HOME") or home(command) + "/.cache").rstrip("/") + "/" + default


def under_mount(command: Command, path: str | None) -> str | None:
    """The cache mount that the path lies under, if any."""
    if not path or not command.cache_mounts:
        return None
    if path.startswith("~"):
        path = home(command) + path[1:]
    path = posixpath.normpath(posixpath.join(command.workdir or "/", path))
    for mount in command.cache_mounts:
        target = mount.rstrip("/") or "/"
        if target.startswith("~"):
            target = home(command) + target[1:]
        if path == target or path.startswith(target + "/"):
            return mount
    return None
