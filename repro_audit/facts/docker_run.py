"""`docker run` and its likes -> `Container`: every option that matters, and the image exactly where it stands.

The same options come as words of a command, as a devcontainer's `runArgs` and as a workflow container's `options`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from repro_audit.facts import gpu_request, image_reference, shell_commands
from repro_audit.facts.command import Command
from repro_audit.facts.container import Container, EnvVar, GpuRequest, Healthcheck, Mount, Port, Setting
from repro_audit.source import Excerpt, Source, Span, join
from repro_audit.syntax import compose_value, shell

_TOOLS = frozenset(("docker", "podman", "nerdctl", "nvidia-docker", "nvidia-docker2"))
# Options of the tool itself that take a value; they may stand before `run`.
_TOOL_VALUES = frozenset(
    "-H --host -c --context -l --log-level --config --tlscacert --tlscert --tlskey --connection --url --root --runroot"
    " --storage-driver --storage-opt --namespace -n --address -a --identity --log-opt --cgroup-manager".split()
)
# Options of `run` and `create` that take no value; every other long one takes one.
_SWITCHES = frozenset(
    "--detach --init --interactive --no-healthcheck --oom-kill-disable --privileged --publish-all --quiet --read-only"
    " --rm --sig-proxy --tty --disable-content-trust --help --use-api-socket --replace --rmi --tls-verify --env-host"
    " --http-proxy --no-hostname --no-hosts --passwd --read-only-tmpfs --rootfs".split()
)
_SHORT_SWITCHES = "ditPq"
_LONG = {
    "e": "env",
    "v": "volume",
    "p": "publish",
    "u": "user",
    "m": "memory",
    "w": "workdir",
    "h": "hostname",
    "l": "label",
    "a": "attach",
    "c": "cpu-shares",
    "net": "network",
}
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_EXPRESSION = re.compile(r"\$\{\{[^{}]*\}\}")
_ALONE = re.compile(r"\$(?:\{\{[^{}]*\}\}|\{[^{}]*\}|\w+|\([^()]*\)|@|\*)\Z")
_IMAGE_NAME = re.compile(r"ima?ge?|tag|container|repo", re.IGNORECASE)


class Token(NamedTuple):
    """A word with its place; `unknown` names what in it only a run can tell."""

    text: str
    span: Span
    raw: str
    unknown: tuple[str, ...] = ()


class Option(NamedTuple):
    """An option by its long name without dashes; `value` is "true" for a switch."""

    name: str
    value: str
    span: Span
    unknown: tuple[str, ...] = ()


def container_of(command: Command, built: frozenset[str] = frozenset()) -> Container | None:
    """The container that a `docker run`, `docker create`, `podman run`, ... starts; None for any other command.

    An image among `built` (see there) is local.
    """
    tokens = _tokens(command)
    at = _subcommand(tokens, ("run", "create"))
    if at is None:
        return None
    found, image_at = options(tokens, at)
    while image_at + 1 < len(tokens) and _is_options(tokens[image_at], tokens[image_at + 1]):
        more, image_at = options(tokens, image_at + 1)
        found += more
    if image_at >= len(tokens):
        return None
    image = tokens[image_at]
    settings = Settings(command.source, found)
    reference = image_reference.reference(
        command.source,
        image.span,
        image.raw,
        image.text,
        "docker-run",
        unknown=image.unknown,
        local=_with_tag(image.text) in built,
        platform=settings.text("platform"),
    )
    gpus = settings.gpus()
    if command.name.startswith("nvidia-docker"):
        gpus = (GpuRequest("runtime", tokens[0].span, "nvidia-docker"), *gpus)
    name = settings.text("name") or reference.repository.rpartition("/")[2]
    return settings.container(
        name=name,
        origin="docker-run",
        span=command.span,
        image=reference,
        gpus=gpus,
        commands=_commands(command, command.words[image_at + 1 :], settings.all("entrypoint")),
    )


def built(commands: Iterable[Command]) -> frozenset[str]:
    """The images that `docker build -t` and `docker tag` name, so that running them takes nothing from outside."""
    found = set()
    for command in commands:
        tokens = _tokens(command)
        at = _subcommand(tokens, ("build", "buildx", "bake"))
        if at is not None:
            for option in _build_options(tokens[at:]):
                found.add(_with_tag(option))
        at = _subcommand(tokens, ("tag",))
        if at is not None and at + 1 < len(tokens):
            found.add(_with_tag(tokens[at + 1].text))
    return frozenset(found)


def _build_options(tokens: Sequence[Token]) -> Iterator[str]:
    for index, token in enumerate(tokens):
        name, equals, value = token.text.partition("=")
        if name in ("-t", "--tag"):
            if equals:
                yield value
            elif index + 1 < len(tokens):
                yield tokens[index + 1].text


def _with_tag(image: str) -> str:
    parts = image_reference.parse(image)
    return image if parts.digest else f"{parts.registry or ''}/{parts.repository}:{parts.tag or 'latest'}"


def _tokens(command: Command) -> list[Token]:
    if command.name not in _TOOLS or not command.words:
        return []
    tokens = [Token(command.name, command.words[0].span, command.words[0].raw)]
    for arg, word in zip(command.args, command.words[1:]):
        raw = word.raw
        expressions: list[str] = []
        if "GITHUB_EXPRESSION" in raw:
            raw = command.source.slice(word.span)
            expressions = _EXPRESSION.findall(raw)
        for expression in expressions:
            # What a workflow fills in stood in for by a variable: show it again as it was written.
            arg = arg.replace("${GITHUB_EXPRESSION}", expression, 1)
        unknown = () if word.literal is not None else _unknown(word, command)
        if expressions:
            names = [e[3:-2].strip() for e in expressions]
            unknown = tuple(dict.fromkeys((*(u for u in unknown if u != "GITHUB_EXPRESSION"), *names)))
        tokens.append(Token(arg, word.span, raw, unknown))
    return tokens


def _unknown(word: shell.Word, command: Command) -> tuple[str, ...]:
    if word.resolve(command.variables) is not None:
        return ()
    names = [
        part.name if isinstance(part, shell.Variable) else part.text
        for part in word.parts
        if not isinstance(part, shell.Literal)
        and not (isinstance(part, shell.Variable) and not part.operator and command.variables.get(part.name))
    ]
    return tuple(dict.fromkeys(names))


def _is_options(token: Token, following: Token) -> bool:
    """Whether an unquoted variable holds options rather than the image: more follow, and it is not called an image."""
    alone = token.unknown and token.raw[:1] == "$" and _ALONE.match(token.raw)
    return bool(alone) and following.text[:1] == "-" and not _IMAGE_NAME.search(token.raw)


def _subcommand(tokens: list[Token], names: tuple[str, ...]) -> int | None:
    """The index after the subcommand, or None where the command does something else."""
    at = 1
    while at < len(tokens) and tokens[at].text.startswith("-"):
        at += 2 if tokens[at].text in _TOOL_VALUES else 1
    if at < len(tokens) and tokens[at].text in ("container", "image"):
        at += 1
    if at < len(tokens) and tokens[at].text in names:
        return at + 1
    return None


def options(tokens: Sequence[Token], at: int) -> tuple[list[Option], int]:
    """The options from `at` on, and the index of the first word that is none."""
    found: list[Option] = []
    size = len(tokens)
    while at < size:
        token = tokens[at]
        text = token.text
        if text == "--":
            return found, at + 1
        if text[:1] != "-" or text == "-":
            break
        at += 1
        following = tokens[at] if at < size else None
        if text.startswith("--"):
            name, equals, value = text.partition("=")
            name = _LONG.get(name[2:], name[2:])
            if equals:
                found.append(Option(name, value, token.span, token.unknown))
            elif "--" + name in _SWITCHES or following is None:
                found.append(Option(name, "true", token.span))
            else:
                found.append(Option(name, following.text, _both(token, following), following.unknown))
                at += 1
            continue
        for index in range(1, len(text)):
            letter = text[index]
            if letter in _SHORT_SWITCHES:
                continue
            name = _LONG.get(letter, letter)
            rest = text[index + 1 :].removeprefix("=")
            if rest:
                found.append(Option(name, rest, token.span, token.unknown))
            elif following is not None:
                found.append(Option(name, following.text, _both(token, following), following.unknown))
                at += 1
            break
    return found, at


def _both(first: Token, second: Token) -> Span:
    return Span(first.span.start, second.span.end) if second.span.start >= first.span.end else second.span


class Settings:
    """A list of options, asked for what a `Container` holds."""

    def __init__(self, source: Source, found: Iterable[Option]) -> None:
        self.source = source
        self.options: dict[str, list[Option]] = {}
        for option in found:
            self.options.setdefault(option.name, []).append(option)

    def all(self, *names: str) -> list[Option]:
        """The options of these names, in order of place."""
        return sorted((o for n in names for o in self.options.get(n, ())), key=lambda o: o.span)

    def setting(self, *names: str) -> Setting | None:
        """The last option of these names."""
        found = self.all(*names)
        if not found:
            return None
        return Setting(None if found[-1].unknown else found[-1].value, found[-1].span)

    def settings(self, *names: str) -> tuple[Setting, ...]:
        """All options of these names."""
        return tuple(Setting(None if o.unknown else o.value, o.span) for o in self.all(*names))

    def text(self, name: str) -> str | None:
        """The option's value, or None where it is missing or unknown."""
        found = self.setting(name)
        return found.value if found else None

    def gpus(self) -> tuple[GpuRequest, ...]:
        """Every way in which the options ask for a GPU."""
        found = [gpu_request.of_gpus_option(o.value, o.span) for o in self.all("gpus")]
        for option in self.all("runtime"):
            found.extend(gpu_request.of_runtime(option.value, option.span))
        found.extend(r for o in self.all("device") if (r := gpu_request.of_device(o.value, o.span)))
        return tuple(found)

    def env(self) -> tuple[EnvVar, ...]:
        """`-e NAME=value`, or `-e NAME` to pass it through."""
        found = []
        for option in self.all("env"):
            name, equals, value = option.value.partition("=")
            found.append(EnvVar(name, value if equals and not option.unknown else None, option.span))
        return tuple(found)

    def mounts(self) -> tuple[Mount, ...]:
        """`-v`, `--mount` and `--tmpfs`."""
        found = []
        for option in self.all("volume"):
            made = compose_value.volume(option.value, option.span, self.source)
            found.append(Mount(made.type, made.origin, made.target, made.readonly, option.span))
        found.extend(mount(o.value, o.span) for o in self.all("mount"))
        found.extend(Mount("tmpfs", None, o.value.split(":")[0], False, o.span) for o in self.all("tmpfs"))
        return tuple(found)

    def ports(self) -> tuple[Port, ...]:
        """`-p [ip:][host:]container`."""
        found = []
        for option in self.all("publish"):
            made = compose_value.port(option.value, option.span, self.source, False)
            found.append(Port(made.raw, made.host_ip, made.published, made.target, made.protocol, option.span))
        return tuple(found)

    def healthcheck(self) -> Healthcheck | None:
        """`--health-*` and `--no-healthcheck`."""
        command, off = self.setting("health-cmd"), self.setting("no-healthcheck")
        if command is None:
            return Healthcheck(off.span, (), True) if off else None
        timeout = self.setting("health-timeout")
        retries = self.text("health-retries") or ""
        return Healthcheck(
            span=command.span,
            test=("CMD-SHELL", command.value or ""),
            interval=compose_value.duration(self.text("health-interval") or ""),
            timeout=compose_value.duration(timeout.value or "") if timeout else None,
            timeout_span=timeout.span if timeout else None,
            start_period=compose_value.duration(self.text("health-start-period") or ""),
            retries=int(retries) if retries.isdigit() and len(retries) < 9 else None,
        )

    def container(self, **known: object) -> Container:
        """The container these options describe; `known` are fields that something else says."""
        fields: dict[str, object] = {
            "user": self.setting("user"),
            "runtime": self.setting("runtime"),
            "gpus": self.gpus(),
            "env": self.env(),
            "mounts": self.mounts(),
            "ports": self.ports(),
            "network_mode": self.setting("network"),
            "pid": self.setting("pid"),
            "ipc": self.setting("ipc"),
            "shm_size": self.setting("shm-size"),
            "memory": self.setting("memory"),
            "cpus": self.setting("cpus"),
            "privileged": self.setting("privileged"),
            "cap_add": self.settings("cap-add"),
            "cap_drop": self.settings("cap-drop"),
            "security_opt": self.settings("security-opt"),
            "devices": self.settings("device"),
            "restart": self.setting("restart"),
            "healthcheck": self.healthcheck(),
        }
        fields.update(known)
        return Container(source=self.source, **fields)  # type: ignore[arg-type]


def mount(text: str, span: Span) -> Mount:
    """`type=bind,source=a,target=b,readonly` as `--mount` takes it."""
    fields: dict[str, str] = {}
    for item in text.split(","):
        key, equals, value = item.partition("=")
        fields[key.strip().lower()] = value if equals else "true"
    readonly = fields.get("readonly", fields.get("ro", "false"))
    target = fields.get("target") or fields.get("destination") or fields.get("dst") or ""
    origin = fields.get("source") or fields.get("src")
    return Mount(fields.get("type", "volume"), origin, target, bool(compose_value.boolean(readonly)), span)


def _commands(command: Command, words: Sequence[shell.Word], entrypoint: list[Option]) -> tuple[Command, ...]:
    """What runs inside: the entrypoint given and the words after the image, `sh -c` and its likes followed."""
    source = command.source
    parts = tuple(_excerpt(source, word) for word in words)
    if entrypoint and entrypoint[-1].value:
        value, span = entrypoint[-1].value, entrypoint[-1].span
        parts = (join(source, [(value, span.start, span.end - span.start)]), *parts)
    if not parts:
        return ()
    first = parts[0].whole.start
    text = source.excerpt(Span(first, max(first, parts[-1].whole.end)))
    script = shell.parse_exec(parts, text)
    found = shell_commands.commands(script, command.variables, where="docker-run", when="start", exec_form=True)
    return tuple(found)


def _excerpt(source: Source, word: shell.Word) -> Excerpt:
    if word.literal is None:
        return source.excerpt(word.span)
    return join(
        source,
        [(p.text, p.span.start, p.span.end - p.span.start) for p in word.parts if isinstance(p, shell.Literal)],
    )


def tokens_of(excerpts: Iterable[Excerpt]) -> list[Token]:
    """Words that stand outside of a shell, as tokens."""
    return [Token(e.text, e.whole, e.text, tuple(_VARIABLE.findall(e.text)) if "$" in e.text else ()) for e in excerpts]
