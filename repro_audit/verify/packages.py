"""Which packages an image holds, read from the databases of dpkg, apk, rpm, pip and conda, and which moved
between two images.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from struct import error as StructError  # noqa: N812
from typing import TYPE_CHECKING

from repro_audit.verify import rpmdb
from repro_audit.verify.comparison import PackageChange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DPKG = re.compile(r"/var/lib/dpkg/(status|status\.d/[^/]+)$")
APK = re.compile(r"/(usr/)?lib/apk/db/installed$")
RPM = re.compile(r"(/var/lib|/usr/share|/usr/lib/sysimage)/rpm/(rpmdb\.sqlite|Packages(\.db)?)$")
PIP = re.compile(r"(.*)/([^/]+)\.(dist-info|egg-info)(/(METADATA|PKG-INFO))?$")
CONDA = re.compile(r"(.*)/conda-meta/([^/]+)\.json$")
_METADATA = re.compile(r".*/([^/]+)\.(?:dist-info|egg-info)(?:/.*)?$")
_DPKG_INFO = re.compile(r"/var/lib/dpkg/info/([^/:]+?)(?::[^/.]+)?\.[a-z0-9]+$")
_LIST = re.compile(r"/var/lib/dpkg/info/([^/:]+)(:[^/]+)?\.list$")
_RECORD = re.compile(r"(.*)/([^/]+)\.dist-info/RECORD$")


@dataclass(slots=True, eq=False)
class Installed:
    """The packages of one image: (ecosystem, name) -> version. `owners` maps a path to the package that brought it,
    where the database tells. `headers` are rpm's, which tell it for each package. `unread` says which databases could
    not be read, and why.
    """

    versions: dict[tuple[str, str], str] = field(default_factory=dict)
    owners: dict[str, tuple[str, str]] = field(default_factory=dict)
    headers: dict[tuple[str, str], bytes] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def is_database(path: str) -> bool:
    """Whether a path is one of a package database, or tells which files a package brought."""
    return bool(
        DPKG.match(path)
        or APK.match(path)
        or RPM.match(path)
        or CONDA.match(path)
        or ("-info" in path and PIP.match(path))
    )


def ownership_paths(paths: Iterable[str], changes: Iterable[PackageChange]) -> list[str]:
    """The files that tell which files the packages that moved brought (dpkg's lists, pip's records)."""
    moved: dict[str, set[str]] = {}
    for change in changes:
        moved.setdefault(change.ecosystem, set()).add(change.name)
    found = []
    for path in paths:
        if (match := _LIST.match(path)) and match[1] in moved.get("dpkg", ()):
            found.append(path)
        elif path.endswith("/RECORD") and (match := _RECORD.match(path)):
            if normalised(match[2].partition("-")[0]) in moved.get("pip", ()):
                found.append(path)
    return found


def read(path: str, data: bytes | None, into: Installed) -> None:
    """Add what one database, or the path of a package's metadata, tells. Never raises: what cannot be read is noted."""
    if DPKG.match(path):
        if data is not None:
            _dpkg(data, into)
    elif APK.match(path):
        if data is not None:
            _apk(data, into)
    elif RPM.match(path):
        _rpm(path, data, into)
    elif match := CONDA.match(path):
        _conda(match[1], match[2], data, into)
    elif match := PIP.match(path):
        name, _, version = match[2].partition("-")
        version = version.partition("-py")[0]
        if data is not None:
            told = dict(re.findall(rb"^(Name|Version):[ \t]*(.+?)\r?$", data[:20000], re.MULTILINE)[:2])
            name = told.get(b"Name", name.encode()).decode("utf-8", "replace")
            version = told.get(b"Version", version.encode()).decode("utf-8", "replace")
        into.versions["pip", normalised(name)] = version


def read_owner(path: str, data: bytes, into: Installed) -> None:
    """Add which files a package brought, from dpkg's list or pip's record of it."""
    if match := _LIST.match(path):
        for line in data.decode("utf-8", "surrogateescape").split("\n"):
            # a merged /usr: packages may still say /lib where the file lies in /usr/lib
            for place in (line, f"/usr{line}") if line.startswith(("/lib", "/bin/", "/sbin/")) else (line,):
                into.owners.setdefault(place, ("dpkg", match[1]))
    elif match := _RECORD.match(path):
        name = normalised(match[2].partition("-")[0])
        for line in data.decode("utf-8", "surrogateescape").split("\n"):
            entry = line.rsplit(",", 2)[0].strip('"')
            if entry and ".." not in entry:
                into.owners[f"{match[1]}/{entry}"] = ("pip", name)


def own_moved(changes: Iterable[PackageChange], into: Installed) -> None:
    """Add which files the rpm packages that moved brought, and let go of the headers."""
    for change in changes:
        key = (change.ecosystem, change.name)
        if key in into.headers:
            try:
                into.owners.update(dict.fromkeys(rpmdb.files(into.headers[key]), key))
            except (ValueError, LookupError, StructError):
                continue
    into.headers.clear()


def normalised(name: str) -> str:
    """A Python package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def changes(left: Installed, right: Installed) -> tuple[PackageChange, ...]:
    """What moved, by ecosystem and name."""
    found = [
        PackageChange(key[0], key[1], left.versions.get(key), right.versions.get(key))
        for key in left.versions.keys() | right.versions.keys()
        if left.versions.get(key) != right.versions.get(key)
    ]
    return tuple(sorted(found, key=lambda c: (c.ecosystem, c.name)))


def _dpkg(data: bytes, into: Installed) -> None:
    for part in re.split(rb"\n[ \t]*\n", data):
        fields = dict(re.findall(rb"^(Package|Version|Architecture|Status): *(.*)$", part, re.MULTILINE))
        name, version = fields.get(b"Package"), fields.get(b"Version")
        if (
            name
            and version
            and b"not-installed" not in fields.get(b"Status", b"")
            and b"deinstall" not in fields.get(b"Status", b"")
        ):
            key = ("dpkg", name.decode("utf-8", "replace").strip())
            if key in into.versions:  # the same package for another architecture
                key = ("dpkg", f"{key[1]}:{fields.get(b'Architecture', b'').decode('utf-8', 'replace')}")
            into.versions[key] = version.decode("utf-8", "replace").strip()


def _apk(data: bytes, into: Installed) -> None:
    name = folder = ""
    for line in data.decode("utf-8", "replace").split("\n"):
        letter, _, value = line.partition(":")
        if letter == "P":
            name = value
        elif letter == "V":
            into.versions["apk", name] = value
        elif letter == "F":
            folder = value
        elif letter == "R":
            into.owners[f"/{folder}/{value}" if folder else f"/{value}"] = ("apk", name)


def _conda(prefix: str, stem: str, data: bytes | None, into: Installed) -> None:
    name, version, build = ([*stem.rsplit("-", 2), "", ""])[:3]
    files: object = ()
    if data is not None:
        try:
            record = json.loads(data)
            name, version, build = (str(record[k]) for k in ("name", "version", "build"))
            files = record.get("files")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            into.unread.append(f"{prefix}/conda-meta/{stem}.json is not what conda writes")
    into.versions["conda", name] = f"{version} {build}".strip()
    if isinstance(files, list):
        for file in files:
            if isinstance(file, str):
                into.owners[f"{prefix}/{file}"] = ("conda", name)


def _rpm(path: str, data: bytes | None, into: Installed) -> None:
    if data is None:
        into.unread.append(f"{path} is too large to be read: its packages are not compared")
        return
    try:
        for blob in rpmdb.headers(data):
            package = rpmdb.package(blob)
            if package is None:
                continue
            key = ("rpm", package.name)
            if key in into.versions and into.versions[key] != package.version:  # several kernels or architectures
                key = ("rpm", f"{package.name}.{package.arch}")
            into.versions[key] = package.version
            into.headers[key] = blob
    except (ValueError, LookupError, StructError) as error:
        into.unread.append(f"{path} is not a readable rpm database ({error})")


def moved_owner(
    path: str, installed: Iterable[Installed], moved: Mapping[tuple[str, str], PackageChange]
) -> PackageChange | None:
    """The package that moved and brought `path`; None where none did."""
    for side in installed:
        owner = side.owners.get(path)
        if owner is not None and owner in moved:
            return moved[owner]
    if match := _METADATA.match(path):
        return moved.get(("pip", normalised(match[1].partition("-")[0])))
    if match := CONDA.match(path):
        return moved.get(("conda", match[2].rsplit("-", 2)[0]))
    if match := _DPKG_INFO.match(path):
        return moved.get(("dpkg", match[1]))
    return None
