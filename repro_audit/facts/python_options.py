"""The command lines of Python's and conda's installers: which subcommands install, and which options take a value.

An option missing here would make its value look like a package. The sets are unions over the subcommands that install,
and over the versions of a tool: pip's from its option parser, the others' from their manuals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from repro_audit.record import dataclass, field


@dataclass(slots=True, frozen=True, eq=False)
class Tool:
    """One program: its options with a value, its short options' long names, its subcommands that install."""

    name: str
    ecosystem: str
    valued: frozenset[str]
    aliases: dict[str, str]
    actions: frozenset[str]
    manifest: frozenset[str] = field(default_factory=frozenset)

    def split(self, text: str) -> tuple[str | None, int]:
        """The option in an argument and where its value starts in it, -1 where none is attached."""
        if text.startswith("--"):
            equals = text.find("=")
            return (text, -1) if equals < 0 else (text[:equals], equals + 1)
        for index in range(1, len(text)):
            option = "-" + text[index]
            if option in self.valued:
                if index + 1 == len(text):
                    return option, -1
                return option, index + 2 if text[index + 1] == "=" else index + 1
        return text[:2], -1

    def takes_value(self, name: str, action: str) -> bool:
        """Whether an option is followed by a value."""
        if self.ecosystem == "conda" and name == "-f" and self.name == "conda" and not action.startswith("env"):
            return False  # once `--force`
        return name in self.valued

    def long(self, name: str) -> str:
        """An option's usual long name."""
        return self.aliases.get(name, name)

    def installs_manifest(self, action: str) -> bool:
        """Whether a subcommand installs the project it is run in."""
        return action in self.manifest


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PIP_VALUED = _words(
    "--abi --all-releases --build --build-constraint --build-option --cache-dir --cert --client-cert --config-setting "
    "--config-settings --constraint --default-timeout --editable --exists-action --extra-index-url --find-links "
    "--global-option --group --implementation --index-url --install-option --keyring-provider --local-log --log "
    "--log-file --no-binary --only-binary --only-final --platform --prefix --progress-bar --proxy --pypi-url --python "
    "--python-version --refresh-package --report --requirement --requirements-from-script --resume-retries --retries "
    "--root --root-user-action --source --source-dir --source-directory --src --target --timeout --trusted-host "
    "--upgrade-strategy --uploaded-prior-to --use-deprecated --use-feature --wheel-dir --dest "
    "--destination-dir --destination-directory "
    "-C -b -c -d -e -f -i -r -t -w"
)
_PIP_ALIASES = {
    "-c": "--constraint",
    "-e": "--editable",
    "-f": "--find-links",
    "-i": "--index-url",
    "--pypi-url": "--index-url",
    "-r": "--requirement",
    "-t": "--target",
    "-U": "--upgrade",
    "--no-dependencies": "--no-deps",
    "-q": "--quiet",
    "-v": "--verbose",
    "-I": "--ignore-installed",
}
_UV_VALUED = _words(
    "--requirement --requirements --constraint --constraints --editable --override --overrides --build-constraint "
    "--build-constraints --exclude --excludes --extra --group --no-group --only-group --no-extra --index "
    "--default-index --index-url --extra-index-url --find-links --index-strategy "
    "--keyring-provider --upgrade-package --upgrade-group "
    "--reinstall-package --resolution --prerelease --fork-strategy --config-setting --config-settings "
    "--config-settings-package --no-build-isolation-package --exclude-newer --exclude-newer-package --link-mode "
    "--no-binary --only-binary --no-build-package --no-binary-package --no-sources-package --refresh-package "
    "--cache-dir --python --python-preference --python-platform --python-version --target --prefix --torch-backend "
    "--color --directory --project --config-file --allow-insecure-host --trusted-host --optional --rev --tag --branch "
    "--bounds --marker --package --no-install-package --no-emit-package --script --with --with-editable "
    "--with-requirements --with-executables-from --from --env-file --python-fetch --output-format --malware-check "
    "-r -c -e -b -i -f -P -C -p -t -m -w"
)
_UV_ALIASES = _PIP_ALIASES | {
    "--requirements": "--requirement",
    "--constraints": "--constraint",
    "--build-constraints": "--build-constraint",
    "-P": "--upgrade-package",
    "-w": "--with",
    "-p": "--python",
}
_CONDA_VALUED = _words(
    "--name --prefix --channel --file --solver --experimental --repodata-fn --subdir --platform --clone --revision "
    "--channel-priority --rc-file --root-prefix --relocate-prefix --repodata-ttl --ssl-verify --cacert-path --category "
    "--log-level --console --environment-specifier --env-spec --format --download-threads --extract-threads "
    "--override-frozen --kind --lockfile --retry-clean-cache --safety-checks --shell -n -p -c -r -f"
) - {"--override-frozen", "--retry-clean-cache"}
_CONDA_ALIASES = {"-n": "--name", "-p": "--prefix", "-c": "--channel", "-f": "--file", "--lockfile": "--file"}
_CONDA_ACTIONS = _words("install create update upgrade env|create env|update")
_POETRY_VALUED = _words(
    "--directory --project --with --without --only --extras --group --python --platform --source --markers -C -P -E -G"
)
_PIPENV_VALUED = _words(
    "--python --categories --index --extra-pip-args --editable --requirements --pypi-mirror --requirement -e -r -i"
)
_PDM_VALUED = _words(
    "--group --project --lockfile --config --with --without --save --override --editable --venv --override-file "
    "-G -p -L -c -e"
)
_PIPX_VALUED = _words(
    "--python --pip-args --spec --index-url --suffix --preinstall --fetch-missing-python --with -i"
) - {"--fetch-missing-python"}

_PIP = Tool("pip", "pip", _PIP_VALUED, _PIP_ALIASES, _words("install download wheel"))
_UV = Tool(
    "uv",
    "pip",
    _UV_VALUED,
    _UV_ALIASES,
    _words("pip|install pip|sync add sync tool|install tool|run run"),
    _words("sync run"),
)
_UVX = Tool("uvx", "pip", _UV_VALUED, _UV_ALIASES, frozenset())
_POETRY = Tool("poetry", "pip", _POETRY_VALUED, {"-G": "--group"}, _words("install add sync"), _words("install sync"))
_PIPENV = Tool(
    "pipenv",
    "pip",
    _PIPENV_VALUED,
    {"-e": "--editable", "-r": "--requirement", "--requirements": "--requirement", "-i": "--index-url"},
    _words("install sync update upgrade"),
    _words("install sync update"),
)
_PDM = Tool(
    "pdm", "pip", _PDM_VALUED, {"-e": "--editable"}, _words("install sync add update"), _words("install sync update")
)
_PIPX = Tool("pipx", "pip", _PIPX_VALUED, {"-i": "--index-url", "-e": "--is-editable"}, _words("install run inject"))
_EASY = Tool(
    "easy_install",
    "pip",
    _words("--index-url --find-links --install-dir --script-dir --record -i -f -d -s -x -S -b -H"),
    _PIP_ALIASES,
    frozenset(),
)
_CONDA = Tool("conda", "conda", _CONDA_VALUED, _CONDA_ALIASES, _CONDA_ACTIONS)
_MAMBA = Tool("mamba", "conda", _CONDA_VALUED, _CONDA_ALIASES, _CONDA_ACTIONS)
_MICROMAMBA = Tool("micromamba", "conda", _CONDA_VALUED, _CONDA_ALIASES, _CONDA_ACTIONS)

_BY_NAME = {
    "pip": _PIP,
    "uv": _UV,
    "uvx": _UVX,
    "poetry": _POETRY,
    "pipenv": _PIPENV,
    "pdm": _PDM,
    "pipx": _PIPX,
    "easy_install": _EASY,
    "conda": _CONDA,
    "mamba": _MAMBA,
    "micromamba": _MICROMAMBA,
}
_PIP_NAME = re.compile(r"pip(?:[23](?:\.[0-9]+)?)?")
_PYTHON_NAME = re.compile(r"(?:python|pypy)(?:[23](?:\.[0-9]+)?)?t?")
_PYTHON_VALUED = ("-W", "-X")


def tool_of(name: str, args: Sequence[str]) -> tuple[Tool, int, str] | None:
    """The installer that a command runs, how many arguments lead up to its own, and its subcommand; None for others."""
    skip = 0
    if _PYTHON_NAME.fullmatch(name):
        while skip < len(args) and args[skip][:1] == "-" and args[skip] != "-m":
            if args[skip].startswith("-m") or args[skip] == "-c":
                break
            skip += 2 if args[skip] in _PYTHON_VALUED else 1
        if skip < len(args) and args[skip] == "-m" and skip + 1 < len(args):
            name, skip = args[skip + 1], skip + 2
        elif skip < len(args) and args[skip].startswith("-m") and len(args[skip]) > 2:
            name, skip = args[skip][2:], skip + 1
        else:
            return None
    tool = _PIP if _PIP_NAME.fullmatch(name) else _BY_NAME.get(name)
    if tool is None:
        return None
    if not tool.actions:
        return tool, skip, "run" if tool is _UVX else "install"
    first: list[str] = []
    while skip < len(args) and len(first) < 2:
        arg = args[skip]
        skip += 1
        if arg.startswith("-"):
            option, at = tool.split(arg)
            # Options before the subcommand; uv's and conda's own `-p` mean what they mean after it.
            skip += option in tool.valued and at < 0
            continue
        first.append(arg)
        action = "|".join(first)
        if action in tool.actions:
            return tool, skip, action.replace("|", " ")
        if len(first) == 1 and not any(known.startswith(arg + "|") for known in tool.actions):
            return None
    return None
