"""Files that a system's own tools write: logs, caches, accounts, identities, linker caches."""

from __future__ import annotations

import re

from repro_audit.verify.causes.evidence import Evidence, Verdict

# paths, and the cause each means; the first that fits counts
_PATHS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), cause)
    for pattern, cause in (
        (
            r"/var/log/(apt(/.*)?|dpkg\.log|alternatives\.log|bootstrap\.log|fontconfig\.log|unattended-upgrades/.*)$",
            "apt-log",
        ),
        (
            r"/var/(cache/(apt|debconf|man)(/.*)?|lib/apt(/.*)?|lib/dpkg/(status-old|available-old|diversions-old|statoverride-old))$",
            "apt-cache",
        ),
        (r"/var/log/(dnf.*|yum\.log|hawkey\.log|zypp(/.*|er\.log))$", "rpm-log"),
        (r"/(var/(cache|lib)/(dnf|yum|zypp)|usr/lib/sysimage/libdnf5)(/.*)?$", "rpm-log"),
        (r"/etc/apk/cache/|/var/cache/apk/", "package-cache"),
        (r"/(etc|var/cache/ldconfig)/(ld\.so\.cache|aux-cache)$", "ldconfig-cache"),
        (r"/(etc|var/lib/dbus)/machine-id$", "machine-id"),
        (r"/(var/lib/systemd/random-seed|etc/hostid|var/lib/dbus/.*uuid)$", "machine-id"),
        (
            r"/etc/(ssh|dropbear)/.*host.*key(\.pub)?$|/etc/ssh/ssh_host_[a-z0-9_]+(\.pub)?$",
            "ssh-host-key",
        ),
        (r".*/\.ssh/id_[a-z0-9_]+(\.pub)?$", "generated-key"),
        (r"/etc/ssl/(private|certs)/ssl-cert-snakeoil\.(key|pem)$", "generated-key"),
        (r".*/\.cache/(pip|uv)(/.*)?$", "pip-cache"),
        (r"/tmp/pip-[^/]+(/.*)?$", "pip-cache"),  # noqa: S108
        (r".*/pip(-log)?\.log$", "pip-cache"),
        (r".*/conda-meta/history$|.*/\.conda/environments\.txt$", "conda-history"),
        (r".*/pkgs/(urls(\.txt)?|cache/.*|.*\.json)$", "package-cache"),
        (
            r"(/root|/home/[^/]+)/(\.cache|\.npm|\.yarn|\.cargo/registry|\.gradle|\.m2|\.ccache|\.nv|go/pkg/mod/cache)(/.*)?$",
            "package-cache",
        ),
        (r".*/(\.npm/_logs|_cacache|_logs)/.*$", "package-cache"),
        (r"/var/cache/fontconfig/|/var/lib/(gconf|mlocate|plocate|command-not-found)/", "package-cache"),
        (r".*/\.git/(index|packed-refs|[A-Z_]+HEAD|(logs|objects|refs|info)/.*)$", "git-metadata"),
        (r"/var/log/.*$|.*\.log$", "log"),
    )
)
_SHADOW = re.compile(r"/etc/g?shadow-?$")
_SECRETS = frozenset(("generated-key", "ssh-host-key", "password-salt"))
_HASH = re.compile(r"!?\$\w+\$")
_CONTAINERS = (".der", ".cer", ".crt", ".key", ".p12", ".pfx", ".jks", ".keystore", ".p8")
_SSH = re.compile(rb"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S+) AAAA")
_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z0-9. ]+ )?"
    rb"((?:PRIVATE|PUBLIC) KEY(?: BLOCK)?|CERTIFICATE(?: REQUEST)?|DH PARAMETERS)-----"
)


def secret(path: str, cause: str) -> bool:
    """Whether nobody should be shown what differs."""
    return cause in _SECRETS or _SHADOW.match(path) is not None


def by_path(evidence: Evidence) -> Verdict | None:
    """Files whose path says what they are. Their permissions or owners are another matter."""
    if evidence.kinds & {"mode", "owner", "xattrs"}:
        return None
    for pattern, cause in _PATHS:
        if pattern.match(evidence.path):
            return Verdict(cause)
    return None


def shadow(evidence: Evidence) -> Verdict | None:
    """Account files that differ in the hashed password, or in the third field (day of its last change), and nowhere
    else.
    """
    if not _SHADOW.match(evidence.path) or evidence.pair is None:
        return None
    left, right = (side.decode("utf-8", "replace").splitlines() for side in evidence.pair)
    if len(left) != len(right):
        return None
    salted, moved = [], []
    for one, two in zip(left, right):
        if one == two:
            continue
        a, b = one.split(":"), two.split(":")
        if min(len(a), len(b)) < 4 or (a[0], a[3:]) != (b[0], b[3:]):
            return None
        if a[1] != b[1]:
            # the same way of hashing: whether it is the same password too, nobody can tell
            ways = [_HASH.match(field) for field in (a[1], b[1])]
            if ways[0] is None or ways[1] is None or ways[0][0] != ways[1][0]:
                return None
            salted.append(f"{a[0]}: another hash")
        if a[2] != b[2]:
            moved.append(f"{a[0]}: day {a[2]} -> {b[2]}")
    if salted:
        return Verdict("password-salt", None, (*salted, *moved)[:10])
    return Verdict("shadow-date", None, tuple(moved[:10])) if moved else None


def key(evidence: Evidence) -> Verdict | None:
    """Keys and certificates, wherever they lie."""
    if evidence.pair is None:
        return None
    if all(_SSH.match(side) for side in evidence.pair):
        return Verdict("generated-key", "the public half of an SSH key made during the build")
    kinds = [_KEY.search(side[:4000]) for side in evidence.pair]
    if kinds[0] and kinds[1] and kinds[0][1] == kinds[1][1]:
        what = kinds[0][1].decode()
        return Verdict(
            "ssh-host-key" if "/ssh/" in evidence.path else "generated-key",
            f"a {what.lower()} made during the build"
            if what != "DH PARAMETERS"
            else "parameters made during the build",
        )
    if evidence.name.endswith(_CONTAINERS) and all(side[:2] in (b"0\x82", b"\xfe\xed") for side in evidence.pair):
        return Verdict("generated-key", "a key or certificate made during the build, in binary form")
    return None


DETECTORS = (shadow, by_path, key)
