"""What kind of file a path is: by its name, and by what stands in it where the name alone does not say.

Called by `discover` for each file of a tree, so names are told apart in few steps. Kinds are those of
`filetree.File`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from repro_audit.record import dataclass

# What is read of a file to tell its kind.
HEAD_BYTES = 256 * 1024


@dataclass(slots=True, frozen=True)
class Guess:
    """A kind that a name suggests. `confirm`, given the start of the text, says whether it is so; None means it is."""

    kind: str
    confirm: Callable[[str], bool] | None = None
    # A file beside it that makes a list of bare words believable: `dev.txt` for `dev.in`.
    sibling: str | None = None


_EXACT = {
    "pyproject.toml": "pyproject",
    "uv.lock": "uv-lock",
    "poetry.lock": "poetry-lock",
    "pdm.lock": "pdm-lock",
    "pipfile": "pipfile",
    "pipfile.lock": "pipfile-lock",
    "devcontainer.json": "devcontainer",
    ".devcontainer.json": "devcontainer",
    ".dockerignore": "dockerignore",
    ".containerignore": "dockerignore",
    ".pre-commit-config.yaml": "pre-commit",
    ".pre-commit-config.yml": "pre-commit",
    "pylock.toml": "pylock",
}

# Most files of a tree are told apart from ours by this alone. The other expressions are compiled at their first use:
# a run over one Dockerfile needs few of them.
_CANDIDATE = re.compile(
    r"(?i)(?:.*\.(?:txt|in|ya?ml|dockerfile|containerfile|dockerignore|containerignore|def)"
    r"|(?:docker|container)file.*|pylock\..*\.toml|singularity.*|.*[._-](?:docker|container)file)\Z",
    re.DOTALL,
)

# What follows the last dot of `Dockerfile.` that is about a Dockerfile rather than one.
_NOT_A_DOCKERFILE = frozenset(
    "md rst adoc py pyc sh bash zsh fish ps1 bat json json5 yml yaml toml ini cfg html htm css js mjs ts tsx go "
    "rb rs java kt swift c h cc cpp php pl lua vim el ipynb bak orig rej swp swo swn tmp pdf png jpg jpeg svg gif "
    "sha1 sha256 sha512 md5 sig asc pem patch diff dockerignore containerignore zip gz tgz xz zst snap csv tsv "
    "xml".split()
)
# What may follow it in a Dockerfile's name, but more often says that it is a template or something else.
DOUBTFUL = frozenset(
    "j2 jinja jinja2 jnj tmpl tmpl2 template tpl erb ejs hbs mustache in m4 gotmpl mako liquid txt dist example "
    "tar lock log old save".split()
)

_DOCKERFILE = r"(?i)(?:docker|container)file(?:\Z|[._\-+ @0-9])"
_COMPOSE = r"(?is)(?:docker-|docker_|podman-)?compose(?:[._-].*)?\.ya?ml\Z"
_COMPOSE_LIKE = r"(?is)(?:.*[._-](?:docker-?)?compose|docker-?compose.*|(?:docker-)?stack)\.ya?ml\Z"
_WORKFLOW_FOLDER = r"(?:^|/)\.(?:github|gitea|forgejo)/workflows/[^/]*\Z"
_CONDA_NAME = r"(?is).*(?:env|conda)"

_FROM = r"(?im)^[ \t]*FROM[ \t\\`]+\S"
_TEMPLATE_LINE = r"(?m)^[ \t]*(?:\{\{|\{%|<%|<#|#\{\{)|^[ \t]*FROM[ \t][^\n]*(?:\{\{|\{%|<%|@[A-Z_]+@|%%)"
_FIRST_INSTRUCTION = r"(?i)\ufeff?(?:[ \t]*(?:#[^\n]*|\r)?\n)*[ \t]*(?:FROM|ARG)[ \t\\`]"
_SYNTAX_DIRECTIVE = r"(?i)#[ \t]*syntax[ \t]*=[ \t]*\S*docker"
_CONDA_KEY = r"(?m)^dependencies[ \t]*:"
_SERVICES = r"(?m)^(?:services|include)[ \t]*:"
_COMPOSE_PART = r"(?m)^(?:services|include|networks|volumes|configs|secrets|models|x-[^\s:]+)[ \t]*:"
_RUNS = r"(?m)^runs[ \t]*:"
_JOBS = r"(?m)^jobs[ \t]*:"
_BOOTSTRAP = r"(?im)^[ \t]*bootstrap[ \t]*:"
_REQUIREMENT = r"""(?x)[A-Za-z0-9][A-Za-z0-9._-]*[ \t]*(?:\[[^\]\n]*\][ \t]*)?
    (?:(?P<bound>(?:[=~!<>]=|===|[<>]|\()[ \t]*[^ \t\n].*|@[ \t]*\S.*)|;.*|\\|[ \t]\#.*)?\Z"""
_REQUIREMENT_OPTION = (
    r"-(?:[rce][ \t=]?\S|-(?:requirement|constraint|editable|index-url|extra-index-url|find-links|no-index|pre|hash"
    r"|trusted-host|only-binary|no-binary|prefer-binary|require-hashes|use-pep517)\b)|[a-z+]+://\S|\.{1,2}/\S"
)


def guess(path: str) -> Guess | None:
    """What the name of the file at `path` (with `/`) suggests, or None where it is nothing to audit."""
    name = path[path.rfind("/") + 1 :]
    lower = name.lower()
    kind = _EXACT.get(lower)
    if kind is not None:
        return Guess(kind)
    # Editors' lock and recovery files begin with `.#` and `#`; a hidden YAML or text file is some other tool's.
    if _CANDIDATE.match(name) is None or (name[0] in ".#" and not lower.startswith((".dockerfile", ".containerfile"))):
        return None
    stem, _, extension = lower.rpartition(".")
    if extension in ("yml", "yaml"):
        return _yaml(path, lower)
    if extension in ("dockerignore", "containerignore"):
        return Guess("dockerignore")
    if extension in ("dockerfile", "containerfile"):
        return Guess("dockerfile", is_plain)
    if extension == "def":
        return Guess("apptainer", _is_apptainer)
    if lower.startswith(("dockerfile", "containerfile", ".dockerfile", ".containerfile")):
        return _dockerfile(lower.lstrip("."), extension if stem else "")
    if lower.startswith("singularity"):
        return Guess("apptainer", _is_apptainer)
    if lower.endswith(("dockerfile", "containerfile")):
        return Guess("dockerfile", is_dockerfile)
    if lower.startswith("pylock."):
        return Guess("pylock")
    if extension in ("txt", "in"):
        return _requirements(path, name, stem, extension)
    return None


def by_content(text: str) -> str | None:
    """The kind of a file whose name says nothing, from the start of its text; None where that says nothing either."""
    if is_dockerfile(text):
        return "dockerfile"
    if _is_apptainer(text):
        return "apptainer"
    if re.search(_JOBS, text) and re.search(r"(?m)^(?:on|[\"']on[\"']|true)[ \t]*:", text):
        return "workflow"
    if re.search(_CONDA_KEY, text) and re.search(r"(?m)^(?:channels|name)[ \t]*:", text):
        return "conda"
    if re.search(r"(?m)^services[ \t]*:", text):
        return "compose"
    return "requirements" if _names_requirements(text) else None


def is_plain(text: str) -> bool:
    """Whether the text is no template: one that still has to be filled in says nothing about the image."""
    found = re.search(_TEMPLATE_LINE, text)
    if found is None:
        return True
    # A heredoc may write a template; before the first FROM there is none, and FROM itself is never in one.
    start = re.search(_FROM, text)
    in_from = found.group().lstrip()[:4].upper() == "FROM"
    return not in_from and start is not None and found.start() > start.start() and "<<" in text[: found.start()]


def is_dockerfile(text: str) -> bool:
    """Whether the text begins as a Dockerfile does, and has a FROM."""
    if not is_plain(text) or re.search(_FROM, text) is None:
        return False
    return re.match(_SYNTAX_DIRECTIVE, text) is not None or re.match(_FIRST_INSTRUCTION, text) is not None


def is_requirements(text: str) -> bool:
    """Whether pip would take each line; a list of bare words passes, prose does not."""
    return _requirement_lines(text) is not None


def _names_requirements(text: str) -> bool:
    """Whether pip would take each line, and at least one has a version, an option or a URL."""
    return _requirement_lines(text) is True


def _no_blanks(text: str) -> bool:
    """Whether no line is a template's blank, to be filled in before pip sees it."""
    return re.search(r"(?m)^[ \t]*(?:\{\{|\{%|<%)", text) is None


def _requirement_lines(text: str) -> bool | None:
    """None where a line is no requirement; else whether any is more than a bare word."""
    sure = continued = False
    for raw in text.removeprefix("\ufeff").split("\n"):
        line = raw.strip()
        inside, continued = continued, line.endswith("\\")
        if not line or line.startswith("#"):
            continue
        if re.match(_REQUIREMENT_OPTION, line):
            sure = True
            continue
        found = re.match(_REQUIREMENT, line)
        if found is not None:
            sure = sure or found.group("bound") is not None
        elif not inside:
            return None
    return sure


def _is_apptainer(text: str) -> bool:
    return re.search(_BOOTSTRAP, text) is not None


def _dockerfile(name: str, extension: str) -> Guess | None:
    if extension in _NOT_A_DOCKERFILE or name.endswith(("~", "#", ".")):
        return None
    if extension in DOUBTFUL or re.match(_DOCKERFILE, name) is None:
        return Guess("dockerfile", is_dockerfile)
    if name in ("dockerfile", "containerfile"):
        return Guess("dockerfile", is_plain)
    # `Dockerfile.common` and its like are often parts that a script puts together, not a file that is built.
    return Guess("dockerfile", lambda text: is_plain(text) and re.search(_FROM, text) is not None)


def _yaml(path: str, lower: str) -> Guess | None:
    if re.search(_WORKFLOW_FOLDER, path):
        return Guess("workflow", _is_plain_yaml)
    if lower in ("action.yml", "action.yaml"):
        return Guess("action", lambda text: _is_plain_yaml(text) and re.search(_RUNS, text) is not None)
    if lower.startswith(("compose-", "compose_")):  # `compose-rules.yaml` may be about compose files
        return Guess("compose", lambda text: _is_plain_yaml(text) and re.search(_COMPOSE_PART, text) is not None)
    if re.match(_COMPOSE, lower):
        return Guess("compose", _is_plain_yaml)
    if re.match(_COMPOSE_LIKE, lower):
        return Guess("compose", lambda text: _is_plain_yaml(text) and re.search(_SERVICES, text) is not None)
    if re.match(_CONDA_NAME, lower):
        return Guess("conda", lambda text: _is_plain_yaml(text) and re.search(_CONDA_KEY, text) is not None)
    return None


def _is_plain_yaml(text: str) -> bool:
    return re.search(r"(?m)^[ \t]*(?:\{\{-?[^}\n]*\}\}|\{%|<%)", text) is None


def _requirements(path: str, name: str, stem: str, extension: str) -> Guess | None:
    folder = path[: -len(name) - 1].rpartition("/")[2].lower()
    if stem.startswith("constraint") or stem.endswith(("-constraints", "_constraints", ".constraints")):
        return Guess("constraints", is_requirements)
    if stem.startswith("requirements") or stem.endswith(("-requirements", "_requirements", ".requirements")):
        return Guess("requirements", _no_blanks if extension == "txt" else is_requirements)
    if "requirement" in stem or folder in ("requirements", "requirement", "reqs", "requires"):
        return Guess("requirements", is_requirements)
    if extension == "in":
        # What pip-compile made of `dev.in` stands beside it; without that, bare words might be anything.
        return Guess("requirements", _names_requirements, sibling=path[:-2] + "txt")
    return None
