"""Why a build failed: from the engine's log to the instruction, the kind of failure, and the lines that show it.

Pure: takes text, gives a `Failure`. Reads the logs of BuildKit, the classic builder, podman and buildah.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro_audit.syntax.dockerfile import Dockerfile, Instruction

# What each kind means, and what to do about it.
KINDS: dict[str, tuple[str, str]] = {
    "syntax": ("the Dockerfile is wrong", "mend the instruction; `repro-audit check` says what is wrong with it"),
    "wrong-architecture": (
        "a program or image for another architecture",
        "build for the platform that the base image and the binaries are for (`--platform`), or set up emulation",
    ),
    "disk-full": ("the disk is full", "make room where the engine keeps its images (`docker system df`)"),
    "out-of-memory": ("out of memory", "give the build more memory, or compile with fewer jobs at a time"),
    "authentication": (
        "access was refused",
        "log in to the registry, or hand the credentials over as a build secret; a deleted image says the same",
    ),
    "image-not-found": ("a base image does not exist any more", "choose a tag that exists, and pin it by its digest"),
    "network": ("the network could not be reached", "try again with a network; mirror or vendor what the build needs"),
    "package-version-gone": (
        "a version of a package is not there any more",
        "take the version from an archive that keeps it (a dated snapshot, a lock file with hashes, a mirror)",
    ),
    "package-not-found": (
        "a package does not exist under this name in the sources in use",
        "correct the name, update the index in the same RUN, or add the source that has it",
    ),
    "compiler": ("compiling failed", "install the compiler and headers it needs, or take a prebuilt package"),
    "file-not-found": (
        "a file is missing",
        "check the path, the build context and `.dockerignore`, and that a download is still served",
    ),
    "program-not-found": ("a program is not installed in the image", "install it in an earlier instruction"),
    "permission": ("a permission is missing", "check the USER in force and the mode of the files"),
    "command-failed": ("a command failed", "the lines above say what it said"),
}

# Tried in this order on the failing step's lines: what stands first explains what stands later (a network that is
# down makes packages "not found").
_SIGNS: tuple[tuple[str, str], ...] = (
    (
        "syntax",
        r"dockerfile parse error|unknown instruction|failed to parse stage name|invalid reference format|"
        r"base name .* should not be blank|file with no instructions|no build stage in current context|"
        r"(?:requires|takes) (?:exactly|at least|at most) \w+ argument|invalid (?:from|field|flag) |unknown flag: |"
        r"Syntax error - can't find|failed to process .*(?:syntax error|unsupported modifier)|unterminated heredoc|"
        r"no build stages? (?:matching|named)|target stage .* could not be found|failed to reach build target",
    ),
    (
        "wrong-architecture",
        r"exec format error|no match for platform in manifest|no matching manifest for|"
        r"does not match the (?:specified|detected|expected) .*platform|cannot execute binary file|"
        r"wrong ELF class|incompatible architecture|no image found in (?:manifest list|image index) for architecture",
    ),
    ("disk-full", r"no space left on device|ENOSPC|disk quota exceeded|enough free (?:disk )?space|disk is full"),
    (
        "out-of-memory",
        r"cannot allocate memory|out of memory|OutOfMemory|OOMKilled|virtual memory exhausted|\bMemoryError\b|"
        r"Killed signal terminated program|heap out of memory|std::bad_alloc|exit (?:code|status):? 137|"
        r"non-zero code: 137|(?:^|\s)Killed$|signal: 9, SIGKILL|error allocating",
    ),
    (
        "network",
        r"temporary failure (?:in name resolution|resolving)|could not resolve|unable to resolve|bad address|"
        r"name or service not known|no such host|network is (?:unreachable|down)|no route to host|"
        r"connection (?:refused|timed out|reset)|failed to connect|could not connect|i/o timeout|"
        r"TLS handshake timeout|NewConnectionError|ConnectTimeoutError|Failed to establish a new connection|EAI_AGAIN|"
        r"ENOTFOUND|ECONNREFUSED|ETIMEDOUT|CONNECTION FAILED|download timed out|Read timed out|"
        r"temporary error \(try again later\)|server misbehaving|ssl.*certificate|x509: |HTTP error 5\d\d|"
        r"returned error: 5\d\d|Bad Gateway|Service Unavailable|early EOF|network bridge not found",
    ),
    (
        "image-not-found",
        r"manifest unknown|manifest for \S+ not found|failed to resolve source metadata for .*: not found|"
        r"repository .* not found|reading manifest .* (?:not found|unknown)|"
        r"failed to (?:load metadata|resolve reference) .*not found|initializing source docker://.*not found",
    ),
    (
        "authentication",
        r"unauthorized|authentication required|authentication failed|access (?:to the resource is )?denied|"
        r"pull access denied|insufficient_scope|could not read (?:username|password)|permission denied \(publickey|"
        r"(?:error|status|HTTP)[^\n]{0,30}\b40[13]\b|40[13] (?:client error|forbidden|unauthorized)|"
        r"no basic auth credentials|invalid credentials|invalid username or password|secret .*not found",
    ),
    (
        "package-version-gone",
        r"E: Version '.*' for '.*' was not found|from versions: (?!none\))\S|"
        r"No matching distribution found for \S+\s*(?:[=<>!~]=?)|No matching version found for|notarget|"
        r"breaks: world\[\S+[=<>~]|Unable to find a match: \S+-\d|No package \S+-\d\S* available|"
        r"failed to select a version for|could not find a valid gem '.*' \([=<>~]|unknown revision|"
        r"Failed to fetch \S+\.deb\s+404|404\s+Not Found \[IP|does not (?:have|contain) a Release file|"
        r"Release file .* (?:expired|is not valid)|nothing provides .*[=<>]|"
        r"package .*[=<>].* (?:is not available|not found)|"
        r"because .* depends on \S+==\S+ and there is no version|there is no version of|"
        r"ResolutionImpossible|PackagesNotFoundError[\s\S]*[=]",
    ),
    (
        "package-not-found",
        r"E: Unable to locate package|has no installation candidate|from versions: none|"
        r"No matching distribution found|\(no such package\)|Unable to find a match|No package .* available|"
        r"PackagesNotFoundError|npm (?:ERR!|error) (?:code )?(?:E?404)|could not find a valid gem|"
        r"No match for argument|"
        r"Package '?\S+'? not found|package \S+ is not in (?:GOROOT|std)|no matching package named|"
        r"Couldn't find any package by|was not found in the package registry",
    ),
    (
        "compiler",
        r"fatal error: \S+: No such file or directory|"
        r"^\S+\.(?:c|cc|cpp|cxx|cu|h|hpp|f90|rs|go):\d+(?::\d+)?:? .*error|"
        r"error: command '?\S*(?:gcc|g\+\+|cc|clang|nvcc|x86_64-linux-gnu)\S*'? failed|"
        r"unable to execute '?\S*(?:gcc|cc)|"
        r"No such file or directory: '?(?:gcc|cc|g\+\+|nvcc)|"
        r"(?:gcc|cc|g\+\+|make|cmake|nvcc|ld): (?:command )?not found|"
        r"linker `cc` not found|collect2: error|undefined reference to|make(?:\[\d+\])?: \*\*\*|CMake Error|"
        r"ninja: build stopped|Failed building wheel|Could not build wheels|error: could not compile|"
        r"Failed to build|metadata-generation-failed|configure: error|subprocess-exited-with-error",
    ),
    (
        "file-not-found",
        r"not found: not found|failed to compute cache key|failed to calculate checksum|"
        r"file not found in build context|no such file or directory|file does not exist|"
        r"returned error: 404|ERROR 404|HTTP/[\d.]+ 404|404 Not Found|No such file|can't open '|"
        r"no source files were specified|excluded by \.dockerignore|server returned error: .*404",
    ),
    ("program-not-found", r"(?:command )?not found\s*$|executable file not found|exit (?:code|status):? 127|code: 127"),
    ("permission", r"permission denied|operation not permitted|are you root\?|EACCES"),
)
_COMPILED = [(kind, re.compile(pattern, re.IGNORECASE | re.MULTILINE)) for kind, pattern in _SIGNS]

_KIT_HEAD = re.compile(r"^ > \[(?:([^\]]*?) )?(?:\d+/\d+|internal)\] ?(.*?):?$|^ > (\[.*?\] )?(.*):$")
_KIT_LINE = re.compile(r"^\s*(\d+) \| >>> ?(.*)$")
_KIT_VERTEX = re.compile(r"^#(\d+) (\[.*)$")
_KIT_OUTPUT = re.compile(r"^#(\d+) (?:\d+\.\d+ )?(.*)$")
_STEP = re.compile(r"^(?:\[\d+/\d+\] )?(?:STEP|Step) (\d+)/(\d+) ?: (.*)$")
_PARSE_LINE = re.compile(r"(?:parse error(?: on)? line|Dockerfile:) ?(\d+)", re.IGNORECASE)
_NOISE = re.compile(
    r"^(?:Sending build context|Removing intermediate| ?-+>|DEPRECATED:|subprocess exited|time=\"|-{4,}$|#\d+ \[|"
    r"Install the buildx|https://docs\.docker|\s*BuildKit is currently|\s*environment-variable|CANCELED$|sha256:|DONE |"
    r"WARNING: No output|[^ ]+:\d+$|exporting|naming to|CACHED$|transferring)"
)
# how buildx begins the last line of every failed build
_PREFIX = re.compile(r"^(?:ERROR: )?(?:failed to build: )?(?:failed to solve: )?(?:rpc error: code = Unknown desc = )?")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\s\"'\[\],;&|()=]+")
_SHOWN = 8
_LONG = 400


@dataclass(slots=True, frozen=True)
class Failure:
    """A failed build. `kind` is a key of `KINDS`; `step` is the instruction as the engine shows it, `line` where it
    begins in the Dockerfile (None where it cannot be told), `end_line` where it ends; `evidence` are lines of the log.
    """

    kind: str
    step: str
    line: int | None
    end_line: int | None
    evidence: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What kind of failure it is, in words."""
        return KINDS[self.kind][0]

    @property
    def remedy(self) -> str:
        """What to do about such a failure."""
        return KINDS[self.kind][1]


def diagnose(log: str, dockerfile: Dockerfile | None = None) -> Failure:
    """Why the build with this log failed. Never raises; the worst answer is `command-failed` with the last lines."""
    lines = log.splitlines()
    step, said, line = _failing(lines)
    kind, evidence = _kind(said, step)
    end = line
    if dockerfile is not None:
        found = _instruction(dockerfile, step, line)
        if found is not None:
            line, end = found.start_line, found.end_line
            step = step or f"{found.raw_keyword} {found.text.text}"
    if not evidence:
        evidence = tuple(text for text in said if text.strip())[-_SHOWN:]
    return Failure(kind, step[:_LONG], line, end, tuple(text.strip()[:_LONG] for text in evidence))


def _failing(lines: Sequence[str]) -> tuple[str, list[str], int | None]:
    """The step that failed, what was said in it and after, and its line where the engine tells."""
    line = None
    for text in lines:
        told = _KIT_LINE.match(text)
        if told:
            line = int(told[1])
            break
    for at in range(len(lines) - 1, -1, -1):
        head = _KIT_HEAD.match(lines[at])
        if head:
            step = head[2] if head[2] is not None else head[4] or ""
            return step, _vertex(lines, step, at), line if line is not None else _parse_line(lines)
        told = _STEP.match(lines[at])
        if told:
            return (
                told[3],
                [text for text in lines[at + 1 :] if not _NOISE.match(text)],
                line or _parse_line(lines[at:]),
            )
    tail = [text for text in lines[-40:] if not _NOISE.match(text)]
    return "", [text for text in tail if "rror" in text] or tail[-_SHOWN:], line or _parse_line(lines)


def _parse_line(lines: Sequence[str]) -> int | None:
    for text in reversed(lines[-60:]):
        told = _PARSE_LINE.search(text)
        if told:
            return int(told[1])
    return None


def _vertex(lines: Sequence[str], step: str, at: int) -> list[str]:
    """What BuildKit's failing step said, each line once."""
    number = None
    for text in lines[:at]:
        found = _KIT_VERTEX.match(text)
        if found and found[2].endswith(step):
            number = found[1]
    said: list[str] = []
    if number is not None:
        for text in lines[:at]:
            found = _KIT_OUTPUT.match(text)
            if found and found[1] == number and not found[2].startswith("[") and not _NOISE.match(found[2]):
                said.append(found[2])
    for text in lines[at + 1 :]:
        bare = re.sub(r"^\d+\.\d+ ", "", text)
        if bare.strip() and bare not in said and not _NOISE.match(bare) and not re.match(r"\s*\d+ \| ", bare):
            said.append(bare)
    return said


def _kind(said: Sequence[str], step: str) -> tuple[str, tuple[str, ...]]:
    # the step itself is quoted in errors: what it says there is no sign of anything
    quoted = _SPACE.sub(" ", step)
    texts = [(_without(text, quoted), text) for text in said]
    for kind, pattern in _COMPILED:
        shown = [text for bare, text in texts if bare and pattern.search(bare)]
        if shown:
            return kind, tuple(dict.fromkeys(shown))[-_SHOWN:]
    return "command-failed", ()


def _without(text: str, step: str) -> str:
    squeezed = _PREFIX.sub("", _SPACE.sub(" ", text)[:4000].strip())
    command = step.partition(" ")[2]
    for part in (step, command):
        if len(part) > 8 and step.startswith("RUN "):
            squeezed = squeezed.replace(part, "")
    return squeezed


def _instruction(dockerfile: Dockerfile, step: str, line: int | None) -> Instruction | None:
    if line is not None:
        for each in dockerfile.instructions:
            if each.start_line <= line <= each.end_line:
                return each
    if not step:
        return None
    wanted = _SPACE.sub(" ", step).strip()
    keyword, _, rest = wanted.partition(" ")
    words = set(_WORD.findall(rest))
    best: tuple[float, Instruction] | None = None
    for each in dockerfile.instructions:
        if each.keyword != keyword.lower():
            continue
        text = _SPACE.sub(" ", each.text.text).strip()
        if text == rest or rest.endswith(text):
            return each
        have = set(_WORD.findall(text))
        # a shell form with heredocs is shown by its first line only
        likeness = 2 * len(words & have) / max(1, len(words) + len(have))
        if best is None or likeness > best[0]:
            best = (likeness, each)
    return best[1] if best is not None else None
