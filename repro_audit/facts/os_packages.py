"""Packages of the operating system that a command installs: apt, apk, dnf and its kin, zypper, pacman."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from repro_audit.facts.address import of_url
from repro_audit.facts.input import Package
from repro_audit.facts.operand import Operand, operands, verb
from repro_audit.facts.pin import Level, Pin

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.stage import Stage


class _Tool(NamedTuple):
    """A package manager: the ecosystem it serves, its installing subcommands, its options with values."""

    ecosystem: str
    verbs: frozenset[str]
    valued: frozenset[str]


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


_APT = _Tool(
    "apt",
    _set("install reinstall"),
    _set("-t --target-release --default-release -o --option -c --config-file -a --host-architecture -S --snapshot"),
)
_DNF_VERBS = _set("install localinstall reinstall groupinstall")
_DNF_VALUED = _set(
    "-c --config --installroot --releasever --enablerepo --disablerepo --enable-repo --disable-repo --repo --repoid"
    " --repofrompath --setopt -x --exclude --forcearch -R -d -e --comment --disableplugin --downloaddir --destdir"
    " --snapshottime --rpmdb"
)
_TOOLS = {
    "apt": _APT,
    "apt-get": _APT,
    "aptitude": _APT,
    "apk": _Tool(
        "apk",
        _set("add"),
        _set(
            "-t --virtual -X --repository -p --root --keys-dir --repositories-file --arch --cache-dir --cache-max-age"
            " --wait --progress-fd --timeout"
        ),
    ),
    "dnf": _Tool("dnf", _DNF_VERBS, _DNF_VALUED),
    "dnf5": _Tool("dnf", _DNF_VERBS, _DNF_VALUED),
    "yum": _Tool("yum", _DNF_VERBS, _DNF_VALUED),
    "microdnf": _Tool("microdnf", _DNF_VERBS, _DNF_VALUED),
    "tdnf": _Tool("tdnf", _DNF_VERBS, _DNF_VALUED),
    "zypper": _Tool(
        "zypper",
        _set("install in"),
        _set(
            "-r --repo --from -t --type -R --root --installroot -C --capability -c --config --cache-dir -D --reposd-dir"
        ),
    ),
}

_RPM_KIN = frozenset(("dnf", "yum", "microdnf", "tdnf"))
_NAME = re.compile(r"[A-Za-z0-9@./_][\w@.+:~^/*${}-]*\Z")
_APK_SPEC = re.compile(r"([^<>=~@]+)((?:[<>]=?|~=?|=|@).*)?\Z", re.DOTALL)
_ZYPPER_SPEC = re.compile(r"([^<>=]+)((?:[<>]=?|=).*)?\Z", re.DOTALL)
_RPM_RELEASE = re.compile(r"-((?:\d+:)?\d[\w.+~^]*-\d[\w.+~^]*)\Z")
_RPM_VERSION = re.compile(r"-((?:\d+:)?\d+\.\d+\.\d[\w.+~^]*)\Z")
_RPM_WILD = re.compile(r"-((?:\d+:)?\d[\w.+~^-]*\*)\Z")
_RPM_ARCH = re.compile(r"\.(?:x86_64|aarch64|noarch|i686|ppc64le|s390x)\Z")
_BRACES = re.compile(r"([\w.+-]*)\{([\w.+,-]*,[\w.+,-]*)\}([\w.+-]*)\Z")
_SNAPSHOT = re.compile(
    r"snapshot(?:-cloudflare)?\.debian\.org|snapshot\.ubuntu\.com|APT::Snapshot|--snapshot[= ]\d{8}|-S \d{8}T"
    r"|archive\.archlinux\.org|--snapshottime|--releasever[= ]2023\.\d+\.\d{8}|vault\.centos\.org/\d+\.\d"
    r"|archive\.debian\.org|old-releases\.ubuntu\.com|\bsnapshot:\s*(?:yes|\d{8})",
    re.IGNORECASE,
)

# Packages whose archive is their vendor's, which the base image or an earlier step has added.
_OF_VENDOR = re.compile(
    r"cuda-|libcu[a-z]+[\d-]|libcudnn|libnccl|libnvinfer|libnpp|libnv|nvidia-|datacenter-gpu|tensorrt|libnvidia|rocm|hip-|miopen|"
    r"aws-neuronx|intel-|libze|docker-|containerd|kubelet|kubeadm|kubectl|nginx-plus|zulu|google-|azure-|msodbc|mssql|"
    r"gitlab-|grafana|elasticsearch|kibana|mongodb|libarrow|libparquet|nodejs|yarn|temurin|falcon-|datadog|newrelic"
)
# Distributions whose archives keep what they ever held.
_KEEPS = re.compile(r"amazonlinux|amzn|\bubi\d|redhat|\brhel|oraclelinux")
_ADDS_ARCHIVE = re.compile(
    r"sources\.list\.d|add-apt-repository|apt-add-repository|apt-key|yum\.repos\.d|config-manager|\baddrepo\b"
    r"|\bzypper ar\b|etc/apk/repositories|--repository|\.repo\b|/keyrings/|--enablerepo|(?:rpm|dnf|yum)\b[^\n]*https?://"
    r"|dpkg -i|--repofrompath"
)
# What a distribution writes into the versions of its own packages.
_OF_DISTRIBUTION = re.compile(r"ubuntu|[+~]deb\d|dfsg|\+b\d|build\d|~\d\d\.\d\d|\.el\d|\.fc\d|\.amzn|-r\d+$")

_FLOATING = Pin(Level.FLOATING, "no version: the archive's newest is taken")
_EXACT = Pin(Level.PERISHABLE, "the live archive deletes old versions")
# NVIDIA, nginx and others keep what they published, and where they do not, nobody can tell from the name.
VENDOR = Pin(Level.PERISHABLE, "the vendor's own archive may drop old versions")
_GIVEN = Pin(Level.PERISHABLE, "the version comes from a variable, and the live archive deletes old versions")
_RANGED = Pin(Level.RANGED, "several versions fit")
_DATED = Pin(Level.IMMUTABLE, "from an archive that does not change")
_LOCAL = Pin(Level.LOCAL, "a file that is already there")
_SUITE = Pin(Level.FLOATING, "names a suite, whose newest version is taken")


def packages(command: Command, *, snapshot: bool = False) -> tuple[Package, ...]:
    """The packages that the command names. `snapshot`: its archive is a dated one, whose content does not change.

    One whose name a variable gives that has no known value stands with the name as written (`$X`), floating, its
    pin's reason saying so.
    """
    tool = _TOOLS.get(command.name)
    if tool is None:
        if command.name == "pacman":
            return tuple(_pacman(command, snapshot))
        return ()
    name, start = verb(command, tool.valued)
    if name not in tool.verbs:
        return ()
    found: list[Package] = []
    for operand in operands(command, tool.valued, start):
        for item in _unbraced(operand):
            package = _package(command, tool.ecosystem, item, snapshot)
            if package is not None:
                found.append(package)
    return tuple(found)


def snapshots(stages: Iterable[Stage]) -> set[int]:
    """The indexes of the stages that set their package manager to a dated or closed archive, or start from one."""
    found: set[int] = set()
    for stage in stages:
        if (stage.parent is not None and stage.parent.index in found) or _sets_snapshot(stage):
            found.add(stage.index)
    return found


def _sets_snapshot(stage: Stage) -> bool:
    if stage.base.repository == "debian/snapshot":
        return True
    for instruction in stage.instructions:
        node = instruction.node
        if _SNAPSHOT.search(node.text.text) or any(_SNAPSHOT.search(h.body.text) for h in node.heredocs):
            return True
    return False


def _unbraced(operand: Operand) -> Iterator[Operand]:
    """`php-{cli,fpm}` as bash reads it."""
    match = _BRACES.match(operand.text) if "{" in operand.text and operand.unknown is None else None
    if match is None or operand.word.quoted:
        yield operand
        return
    for middle in match.group(2).split(","):
        yield operand._replace(text=match.group(1) + middle + match.group(3))


def _package(command: Command, ecosystem: str, operand: Operand, snapshot: bool) -> Package | None:
    text = operand.text
    if "://" in text:
        return _made(command, ecosystem, operand, text, "", of_url(text), url=text)
    if text.endswith((".deb", ".rpm", ".apk")) or text.startswith(("./", "../", "/", "~/")):
        if ecosystem in _RPM_KIN and text.startswith("/") and not text.endswith(".rpm"):
            return _made(command, ecosystem, operand, text, "", _FLOATING)  # a file that some package provides
        return _made(command, ecosystem, operand, text, "", _LOCAL)
    if text.startswith("!") or not text or text.endswith("-") or text[0] in "<>":
        return None
    name, specifier = _parted(ecosystem, text)
    if operand.unknown is not None and operand.unknown in name and (ecosystem in _RPM_KIN or name.startswith("$")):
        pin = Pin(Level.FLOATING, f"the value of `{operand.unknown}` is unknown")
        return _made(command, ecosystem, operand, text, "", pin)
    if not _NAME.match(name):
        return None
    pin = _DATED if snapshot else _pin(specifier, operand)
    if (pin is _EXACT or pin is _GIVEN) and _from_vendor(name, specifier, command):
        pin = VENDOR
    return _made(command, ecosystem, operand, name, specifier, pin)


def _parted(ecosystem: str, text: str) -> tuple[str, str]:
    """Name and specifier."""
    if ecosystem == "apt":
        for sign in "=/":
            name, found, rest = text.partition(sign)
            if found:
                return name, found + rest
        return text, ""
    if ecosystem == "apk" or ecosystem == "zypper":
        match = (_APK_SPEC if ecosystem == "apk" else _ZYPPER_SPEC).match(text)
        return (match.group(1).strip(), match.group(2) or "") if match else (text, "")
    if ecosystem in _RPM_KIN:
        return _rpm(text)
    return text, ""


def _rpm(text: str) -> tuple[str, str]:
    """`name-version-release`, where that is surely one: many names have numbers (`cuda-toolkit-12-1`)."""
    for sign in (" = ", "=", " >= "):
        name, found, rest = text.partition(sign)
        if found:
            return name, found + rest
    arch = _RPM_ARCH.search(text)
    bare = text[: arch.start()] if arch else text
    for pattern in (_RPM_RELEASE, _RPM_VERSION, _RPM_WILD):
        match = pattern.search(bare)
        if match and match.start() and ("." in match.group(1) or ":" in match.group(1) or "*" in match.group(1)):
            return bare[: match.start()], text[match.start() :]
    for name, sign, rest in (bare.partition("-$"), bare.partition("-v$")):
        if sign and "VER" in rest.upper() and "-" not in rest.rpartition("}")[2]:
            return name, sign + rest
    return text, ""


def _pin(specifier: str, operand: Operand) -> Pin:
    if not specifier or specifier[0] == "@":
        return _FLOATING
    if specifier[0] == "/":
        return _SUITE
    if operand.unknown is not None and operand.unknown in specifier:
        return _GIVEN
    if specifier[0] in "<>~" or specifier[:2] == "=~" or "*" in specifier or specifier in ("=", "-"):
        return _RANGED
    return _EXACT


def _from_vendor(name: str, specifier: str, command: Command) -> bool:
    """Whether a package surely or probably comes from another archive than the distribution's."""
    if _OF_VENDOR.match(name):
        return True
    if _OF_DISTRIBUTION.search(specifier):
        return False
    stages = command.stage.lineage if command.stage is not None else ()
    if command.name not in ("apt", "apt-get", "aptitude", "apk") and any(_KEEPS.search(s.base.image) for s in stages):
        return True
    return any(_ADDS_ARCHIVE.search(i.node.text.text) for stage in stages for i in stage.instructions) or bool(
        _ADDS_ARCHIVE.search(command.script.text.text)
    )


def _made(
    command: Command, ecosystem: str, operand: Operand, name: str, specifier: str, pin: Pin, url: str | None = None
) -> Package:
    exact = pin.level is Level.PERISHABLE or (
        pin is _DATED and specifier and specifier[0] in "=-" and "*" not in specifier
    )
    version = specifier.lstrip("=- ") if exact and specifier and operand.unknown is None else None
    place = operand.part(len(operand.text) - len(specifier))
    return Package(
        source=command.source,
        span=operand.span,
        ecosystem=ecosystem,
        name=name,
        specifier=specifier,
        version=version or None,
        pin=pin,
        via="command",
        spec_span=place,
        url=url,
        command=command,
        stage=command.stage,
    )


def _pacman(command: Command, snapshot: bool) -> Iterator[Package]:
    """`pacman -S name...` and `-U address`."""
    mode = next((arg for arg in command.args if arg[:2] in ("-S", "-U") or arg in ("--sync", "--upgrade")), "")
    if not mode or (mode[1] != "-" and set(mode[2:]) & set("silgpc")):
        return
    valued = _set("-r --root -b --dbpath --config --cachedir --arch --overwrite --ignore --ignoregroup --color")
    for operand in operands(command, valued):
        text = operand.text
        if mode[1] == "U" or mode == "--upgrade":
            url = text if "://" in text else None
            yield _made(command, "pacman", operand, text, "", of_url(text) if url else _LOCAL, url)
        elif operand.unknown is not None:
            pin = Pin(Level.FLOATING, f"the value of `{operand.unknown}` is unknown")
            yield _made(command, "pacman", operand, text, "", pin)
        elif _NAME.match(text):
            yield _made(command, "pacman", operand, text, "", _DATED if snapshot else _FLOATING)
