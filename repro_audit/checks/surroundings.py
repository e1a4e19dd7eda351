"""Checks of what a build takes from its surroundings: the clock, chance, and the machine it runs on."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts import gpu
from repro_audit.facts.command import Command
from repro_audit.facts.instruction import Instruction
from repro_audit.facts.shell_use import Use, given, output, program
from repro_audit.finding import Problem, Severity
from repro_audit.syntax.shell_node import Literal, Variable

if TYPE_CHECKING:
    from repro_audit.facts.file import FileFacts
    from repro_audit.syntax.shell_node import Word

_BUILDERS = frozenset(
    "ant bazel c++ cargo cc clang clang++ cmake configure dotnet g++ gcc go gradle gradlew ld make meson mvn mvnw nasm "
    "ninja npm nvcc pnpm python python3 rustc sbt yarn".split()
)
_WRITERS = frozenset(
    "adduser chpasswd cp htpasswd ln mkdir mv passwd perl ruby sed tar touch useradd usermod zip".split()
)
_ENGINES = frozenset(("docker", "podman", "buildah", "nerdctl"))
# Of a longer script, only so many commands are looked through for each finding.
_MANY = 300
_RANDOM = re.compile(r"/dev/u?random$|/proc/sys/kernel/random/(?:uuid|boot_id)$")
# Most files need no closer look.
_DATE = re.compile(r"date(?<![a-z]date)\b")
_CHANCE = ("RANDOM", "random", "uuid", "openssl", "pwgen", "mcookie")
_LEAKS = ("native", "NATIVE", "xHost", "hostname", "uname", "nproc", "lscpu", "_NPROCESSORS_ONLN")
_MADE_UP = frozenset("mcookie pwgen uuid uuidgen".split())
_READERS = frozenset("base64 cat cut dd fold grep head md5sum od sed sha1sum sha256sum strings tail tr xxd".split())


def build_clock(facts: FileFacts) -> Iterator[Problem]:
    """A time, or something made at random, that a build writes into a file or hands to what it compiles with."""
    text = facts.source.text
    if _DATE.search(text) or any(word in text for word in _CHANCE):
        for fact in facts.facts:
            if isinstance(fact, Command):
                yield from _told_by(fact)


def _told_by(command: Command) -> Iterator[Problem]:
    what = _clock(command)
    if what is not None and _builds(command):
        uses = list(output(command.node, command.script, command.variables))
        if command.name == "dd":
            uses += [Use(command.node, arg[3:]) for arg in command.args if arg.startswith("of=")]
    else:
        word = next((w for w in command.words[1:] if "RANDOM" in w.raw and _random_word(w, command)), None)
        if word is None or not _builds(command):
            return
        what, uses = "$RANDOM", list(given(command.node, word, command.script, command.variables))
    if "SOURCE_DATE_EPOCH" in command.script.text.text:
        return  # The clock is the way out where that is not set.
    for use in uses:
        place = _kept(use, command)
        if place is None:
            continue
        kind = "another time" if what == "date" else "another value"
        yield Problem(
            command.source,
            command.span,
            values={"what": what, "kind": kind, "place": place},
            severity=Severity.INFO if command.when == "ci" else None,
        )
        return


def _builds(command: Command) -> bool:
    if command.when == "ci":
        return "docker" in command.script.text.text or "buildah" in command.script.text.text
    return command.when == "build" and command.where in ("run", "apptainer")


def _clock(command: Command) -> str | None:
    """What a command takes from the clock or from chance, None for anything else."""
    name = command.name
    if name == "date":
        # With a date given, a file's, or the clock set, it does not tell the time.
        given_one = any(
            arg.startswith(("-d", "--d", "-r", "--r", "-s", "--s", "-f", "--f", "-j")) for arg in command.args
        )
        return None if given_one else "date"
    if name in _MADE_UP:
        return None if name == "uuid" and len(command.args) > 1 else name
    if name == "openssl" and command.args[:1] == ("rand",):
        return None if command.has("-out") else "openssl rand"
    if name in _READERS and command.when != "ci":
        for word in (*command.args, *(r.target.raw for r in command.node.redirects if r.target and r.op == "<")):
            if _RANDOM.search(word):
                return "/dev/urandom" if "dev" in word else posixpath.basename(word)
    return None


def _random_word(word: Word, command: Command) -> bool:
    return any(
        type(part) is Variable and part.name == "RANDOM" and not part.operator and "RANDOM" not in command.variables
        for part in word.parts
    )


def _kept(use: Use, command: Command) -> str | None:
    """What of the image a value ends up in, in words, as far as that is sure."""
    if command.when == "ci":
        return _told(use, command)
    if use.file is not None:
        if _passing(use.file, use, command):
            return None
        return f"`{use.file}`"
    name = program(use.command, command.variables)
    if use.word is None:
        return None
    if name in _BUILDERS or name == "sed" or name in _WRITERS:
        if name in ("sed", "perl", "ruby") and not any(
            w.raw.startswith("-") and "i" in w.raw for w in use.command.words
        ):
            return None
        if name in ("mkdir", "cp", "mv", "ln", "touch", "tar", "zip"):
            target = use.word.shown(command.variables)
            return None if _passing(target, use, command) else f"what `{name}` makes"
        return f"what `{name}` makes"
    return None


def _told(use: Use, command: Command) -> str | None:
    """For a workflow: the argument or label of an image's build."""
    words = use.command.words
    name = program(use.command, command.variables)
    if name not in _ENGINES or use.word not in words or not any(w.raw in ("build", "bud") for w in words[1:4]):
        return None
    at = words.index(use.word)
    for option in ("--build-arg", "--label", "--annotation"):
        if words[at].raw.startswith(option + "=") or words[at - 1].raw == option:
            return f"the image, by `{option}`"
    return None


def _passing(path: str, use: Use, command: Command) -> bool:
    """Whether a file is not part of the image: on a cache mount, in the shell's own log, or removed again."""
    if path.startswith(("/proc/", "/sys/", "$", "`")) or path.endswith(".log"):
        return True
    if any(path.startswith(mount.rstrip("/") + "/") for mount in command.cache_mounts):
        return True
    for other in command.siblings[:_MANY]:
        if other.span.start > use.command.span.start and program(other, command.variables) in ("rm", "shred", "unlink"):
            for word in other.words[1:]:
                gone = word.shown(command.variables).rstrip("*").rstrip("/")
                if gone and (path == gone or path.startswith(gone + "/") or posixpath.basename(gone) == path):
                    return True
    return False


_NATIVE = re.compile(
    r"-m(?:arch|tune|cpu)=native\b|target-cpu=native\b|(?:^|\s)-xHost\b"
    r"|-D(?:\w*(?:GGML|LLAMA|WHISPER|MARCH|ARCH|CPU)_NATIVE|NATIVE)(?::BOOL)?=(?:ON|1|TRUE|YES)\b"
)
_NATIVE_NAME = re.compile(r"(?:ARCH|CPU|MARCH|TARGET)(?:_|$)", re.IGNORECASE)
_SEEKS = frozenset("awk find grep perl rg sed test [".split())
_JOBS = re.compile(r"-j|job|parallel|thread|worker|makeflags|nproc|cpus|ninja", re.IGNORECASE)


def build_host_leak(facts: FileFacts) -> Iterator[Problem]:
    """The machine that builds, in what is built: its name, kernel, processor or graphics card."""
    text = facts.source.text
    if any(word in text for word in _LEAKS) or ("cuda" in text and _COMPILED.search(text)):
        for fact in facts.facts:
            if isinstance(fact, Command):
                yield from _by_command(fact)
            elif isinstance(fact, Instruction) and fact.keyword in ("ENV", "ARG"):
                if "native" in fact.node.text.text.lower():
                    yield from _by_setting(fact)


def _by_command(command: Command) -> Iterator[Problem]:
    if command.when != "build" or command.where not in ("run", "apptainer"):
        return
    found = _native(command) or _named_host(command)
    if found is not None:
        what, thing = found
        yield Problem(command.source, command.span, values={"what": what, "thing": thing})
    elif _cuda_for_whom(command):
        message = "CUDA code is compiled for the cards that the builder has, if any: `TORCH_CUDA_ARCH_LIST` is not set"
        yield Problem(command.source, command.span, message, aliases=("tally/gpu/require-torch-cuda-arch-list",))


def _native(command: Command) -> tuple[str, str] | None:
    if command.name in _SEEKS or (command.name in ("echo", "printf") and not command.node.redirects):
        return None
    words = [*command.words, *(word for _, word in command.node.assignments)]
    for word in words:
        if "native" in word.raw.lower() or "-xHost" in word.raw:
            match = _NATIVE.search(word.raw)
            if match:
                return match[0].strip(), "processor"
    return None


def _named_host(command: Command) -> tuple[str, str] | None:
    """The name, kernel or processors of the host, where they are kept."""
    name, node, variables = command.name, command.node, command.variables
    asks = name == "hostname" and all(arg.startswith("-") for arg in command.args)
    if asks or (name == "uname" and command.has("-n", "--nodename", "-a", "--all")):
        thing = "name"
    elif name == "uname" and command.has("-r", "--kernel-release", "-v"):
        thing = "kernel"
    elif name in ("nproc", "lscpu") or (name == "getconf" and "_NPROCESSORS_ONLN" in command.args):
        thing = "processors"
    else:
        return None
    for use in output(node, command.script, variables):
        if use.file is not None:
            if _passing(use.file, use, command) or use.file.endswith("/hostname"):
                continue
            text = " ".join(p.text for w in use.command.words for p in w.parts if type(p) is Literal)
            if thing == "processors" and _JOBS.search(text):
                continue
            return name if thing != "kernel" else "uname -r", thing
        tool = program(use.command, variables)
        if thing == "kernel" and tool not in _SEEKS and use.word is not None:
            return "uname -r", thing
        if thing == "name" and tool in _BUILDERS | {"sed"} and use.word is not None:
            return name, thing
    return None


# What compiles for the cards that PyTorch sees, unless it is told; others have a list of their own.
_COMPILED = re.compile(
    r"facebookresearch/(?:detectron2|pytorch3d)\b|NVIDIA/apex\b|open-mmlab/mmcv(?:\.git)?(?![\w-])"
    r"|facebookresearch/xformers|nvdiffrast|diff-gaussian-rasterization|simple-knn|MinkowskiEngine|pointnet2_ops"
    r"|nerfstudio-project/gsplat|rusty1s/pytorch_(?:scatter|sparse|cluster)|GroundingDINO|torch-batch-svd"
)


def _cuda_for_whom(command: Command) -> bool:
    """Whether a command compiles an extension of PyTorch on an image with CUDA, and nothing says for which cards."""
    stage = command.stage
    if stage is None or not (
        command.name.startswith("pip") or command.name.startswith("python") or command.name == "uv"
    ):
        return False
    if not any(arg in ("install", "wheel", "develop", "build", "build_ext", "bdist_wheel") for arg in command.args):
        return False
    root = stage.root
    if not gpu.cuda_image(root) or root.registry == "nvcr.io" or "runtime" in (root.tag or ""):
        return False  # NVIDIA's own images name the cards; in a runtime image there is no compiler.
    if "TORCH_CUDA_ARCH_LIST" in command.variables:
        return False
    compiles = any("://" in arg and _COMPILED.search(arg) for arg in command.args)
    if not compiles and any(arg in (".", "setup.py", "./") or arg.startswith(".[") for arg in command.args):
        cloned = [c for c in command.siblings[:_MANY] if program(c, {}) == "git" and c.span < command.span]
        compiles = any(_COMPILED.search(word.raw) for c in cloned for word in c.words)
    return compiles and "TORCH_CUDA_ARCH_LIST" not in command.script.text.text


def _by_setting(instruction: Instruction) -> Iterator[Problem]:
    """ENV or ARG that has everything compiled for the processor of whoever builds."""
    text = instruction.node.text
    match = _NATIVE.search(text.text)
    if match is not None:
        span = text.span(match.start(), match.end())
        yield Problem(instruction.source, span, values={"what": match[0].strip(), "thing": "processor"})
        return
    for at, excerpt in enumerate(instruction.node.value):
        name, _, value = excerpt.text.partition("=")
        if instruction.keyword == "ENV":
            name, value = instruction.node.value[at - 1].text, excerpt.text
        if value.strip("\"'") == "native" and _NATIVE_NAME.search(name):
            what = f"{name}={value}"
            yield Problem(instruction.source, excerpt.whole, values={"what": what, "thing": "processor"})
            return
