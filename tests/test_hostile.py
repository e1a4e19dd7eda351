"""Trees made to hurt: whatever stands in one, the rest of it is audited, nothing hangs, runs or is written."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from repro_audit.report import FORMATS

SCHEMA = json.loads((Path(__file__).parent.parent / "repro_audit/schema/report-1.json").read_text())

# Stands beside everything hostile; its finding says that the run went on.
MARK = "mark/Dockerfile"
FOUND = ("mark/Dockerfile", "image-latest")

# Far above what any case takes on a slow machine; only a hang reaches it.
SECONDS = 120
MEMORY = 1_500 * 1024 * 1024

Content = str | bytes | Callable[[Path], None]


def write(root: Path, files: Mapping[str | bytes, Content]) -> None:
    for name, content in files.items():
        place = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if callable(content):
            content(Path(os.fsdecode(place)))
            continue
        with open(place, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())


def limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(root: Path, *argv: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "repro_audit", *argv],
        cwd=root,
        capture_output=True,
        timeout=SECONDS,
        preexec_fn=limits,
        **more,
    )
    assert b"Traceback" not in done.stderr, done.stderr[-3000:].decode(errors="replace")
    assert b"internal error" not in done.stderr, done.stderr[-3000:].decode(errors="replace")
    return done


def stand(root: Path) -> list[tuple[bytes, int, int]]:
    """What stands on the disk: each path with its size and its time of change."""
    found = []
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in (*folders, *files):
            state = os.lstat(os.path.join(folder, name))
            found.append((os.path.join(folder, name), state.st_size, state.st_mtime_ns))
    return sorted(found)


def checked(root: Path, *argv: str) -> dict[str, Any]:
    """The JSON report of a tree beside which the mark stands; everything that must hold of any run does."""
    write(root, {MARK: "FROM python\n", ".git/HEAD": "ref: refs/heads/main\n"})
    before = stand(root)
    done = run(root, "check", ".", "--format", "json", *argv)
    assert stand(root) == before
    assert done.returncode == 1, (done.returncode, done.stderr[-2000:])
    report: dict[str, Any] = json.loads(done.stdout)
    # Checking a hundred thousand of them against the schema takes longer than finding them.
    jsonschema.validate({**report, "findings": report["findings"][:200], "inputs": report["inputs"][:200]}, SCHEMA)
    said = [(f["path"], f["rule"]) for f in report["findings"]]
    assert FOUND in said
    broken = [f for f in report["findings"] if f["rule"] == "internal-error"]
    assert not broken, broken[:3]
    assert "PWNED" not in os.listdir(root)
    return report


def rules(report: dict[str, Any], path: str) -> set[str]:
    return {f["rule"] for f in report["findings"] if f["path"] == path}


# --- text ---------------------------------------------------------------------------------------------------------

NAMES = (
    "Dockerfile",
    "requirements.txt",
    "requirements/dev.in",
    "constraints.txt",
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pylock.toml",
    "Pipfile",
    "Pipfile.lock",
    "environment.yml",
    "compose.yaml",
    "docker-compose.override.yml",
    ".devcontainer/devcontainer.json",
    ".github/workflows/ci.yml",
    "action.yml",
    ".dockerignore",
    ".gitignore",
    ".pre-commit-config.yaml",
    "image.def",
)

HOSTILE_TEXT: dict[str, bytes] = {
    "empty": b"",
    "one newline": b"\n",
    "binary": bytes(range(256)) * 64,
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(500),
    "UTF-16 LE": "FROM a\nservices:\n  a: {image: b}\nnumpy\n".encode("utf-16"),
    "UTF-16 BE": b"\xfe\xff" + "FROM a\nservices:\n  a: {image: b}\nnumpy\n".encode("utf-16-be"),
    "UTF-16 cut in half": "FROM a\n".encode("utf-16")[:-1],
    "UTF-32": "FROM a\n".encode("utf-32"),
    "UTF-8 with a mark": b"\xef\xbb\xbfFROM a\n",
    "invalid UTF-8": b"FROM a\xff\xfe\nRUN echo \xc3\x28 \xed\xa0\x80\nname: \xff\n",
    "NUL bytes": b"FROM a\0b\nRUN pip install \0\nname: \0\n[tool]\nx = '\0'\n",
    "CRLF": b"FROM a\r\nRUN pip install \\\r\n  numpy\r\nservices:\r\n  a:\r\n    image: b\r\n",
    "mixed endings": b"FROM a\r\nRUN a \\\n b\rRUN c\n\r\nservices:\n  a:\r    image: b\r\n",
    "lone CR": b"FROM a\rRUN pip install numpy\rservices:\r  a: b\r",
    "tabs": b"services:\n\ta:\n\t\timage: b\nFROM\ta\nRUN\t<<-EOF\n\tpip install a\n\tEOF\n",
    "control characters": b"FROM a\x1b]0;pwned\x07\x1b[2J\nRUN \x1b[31mpip install numpy\x1b[0m\n\x9b31m: \x1b\n",
    "right to left": "FROM a\u202e\u2066 # \u202d\nRUN x\u2028y\u2029z\u0085w\n".encode(),
    "brackets": b"[" * 100_000,
    "braces": b"{" * 100_000,
    "JSON 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "lists 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "YAML lists 5,000 deep": b"a:\n" + b"- " * 5_000 + b"x\n",
    "YAML indented 2,000 deep": b"".join(b" " * i + b"a:\n" for i in range(2_000)),
    "TOML tables 5,000 deep": b"[" + b".".join([b"a"] * 5_000) + b"]\nx = 1\n",
    "TOML inline tables": b"x = " + b"{a = " * 20_000 + b"1" + b"}" * 20_000 + b"\n",
    "aliases": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (c + 1, c + 1, b",".join([b"*%c" % c] * 9)) for c in range(97, 120))
    + b"services: *x\njobs: *x\ndependencies: *x\nrepos: *x\n",
    "merges": b"x0: &x0 {a: 1}\n"
    + b"".join(b"x%d: &x%d {<<: [*x%d, *x%d, *x%d]}\n" % (n, n, n - 1, n - 1, n - 1) for n in range(1, 200))
    + b"services: {a: {<<: *x199, image: b}}\n",
    "an alias of itself": b"services: &a\n  a: *a\n  b: {<<: *a}\njobs: *a\n",
    "Python tags": b"services: !!python/object/apply:os.system ['touch PWNED']\n"
    b"jobs: !!python/object/new:subprocess.Popen [[touch, PWNED]]\n"
    b"dependencies: [!!python/name:os.system , !!python/module:os ]\n",
    "unknown tags": b"services: !vault\n  a: !reset null\nx: !!binary ////\ny: !<tag:%00> z\n",
    "duplicate keys": b"services: {a: {image: b, image: c}, a: {image: d}}\nservices: {}\n",
    "several documents": b"---\nservices: {a: {image: b}}\n---\nservices: 1\n...\n%YAML 9.9\n---\n- x\n",
    "huge numbers": b"services: {a: {image: 1e400, ports: [999999999999999999999999999:1], cpus: .inf, x: 0x" + b"f" * 9999
    + b"}}\nx = 1" + b"0" * 10_000 + b"\n",
    "long digits": b"FROM a\nEXPOSE " + b"9" * 20_000 + b"\nx: " + b"1" * 20_000 + b"\nnumpy==" + b"1" * 20_000 + b"\n",
    "quotes without an end": b"FROM a\nRUN echo \"'`$(\nx = \"\"\"\nservices: \"\n",
    "nested substitutions": b"FROM a\nRUN " + b"$(" * 10_000 + b"x" + b")" * 10_000 + b"\n",
    "open substitutions": b"FROM a\nRUN " + b"$(" * 10_000 + b"\n",
    "nested expansions": b"FROM " + b"${a:-" * 10_000 + b"x" + b"}" * 10_000 + b"\nENV b=" + b"${a:-" * 10_000 + b"\n",
    "growing variables": b"FROM a\nENV a0=xxxxxxxxxx\n"
    + b"".join(b"ENV a%d=$a%d$a%d$a%d$a%d$a%d$a%d$a%d$a%d\n" % (n, *[n - 1] * 8) for n in range(1, 60))
    + b"RUN echo $a59\nFROM $a59\n",
    "growing ARGs": b"ARG a0=xxxxxxxxxx\n"
    + b"".join(b"ARG a%d=$a%d$a%d$a%d$a%d\n" % (n, *[n - 1] * 4) for n in range(1, 60))
    + b"FROM $a59\n",
    "variable of itself": b"ARG a=$a\nARG b=$c\nARG c=$b\nFROM $a$b\nENV PATH=$PATH:$PATH\n" + b"ENV PATH=$PATH:$PATH\n" * 60,
    "shells in shells": b"FROM a\nRUN " + b"sh -c '" * 500 + b"x\n" + b"RUN " + b"sudo env bash -lc " * 3_000 + b"pip install a\n",
    "quoted shells in shells": ("FROM a\nRUN " + "eval " * 5_000 + "x\nRUN " + "xargs " * 5_000 + "sh -c x\n").encode(),
    "subshells": b"FROM a\nRUN " + b"(" * 5_000 + b"x" + b")" * 5_000 + b"\n",
    "shell groups": b"FROM a\nRUN " + b"{ if x; then " * 2_000 + b"y; " + b"fi; }; " * 2_000 + b"\n",
    "backticks": b"FROM a\nRUN " + b"`" * 20_001 + b"\n",
    "many pipes": b"FROM a\nRUN " + b"a | " * 20_000 + b"b\n",
    "a heredoc without an end": b"FROM a\nRUN <<EOF\npip install numpy\n" * 300,
    "many heredocs on a line": b"FROM a\nRUN " + b" ".join(b"<<E%d" % n for n in range(2_000)) + b"\nE1\n",
    "a continuation without an end": b"FROM a\nRUN a \\\n" * 1 + b"\\\n" * 50_000,
    "directives": b"# syntax=../../etc/passwd\n# escape=`\n# check=skip=all;error=true\n" * 1_000 + b"FROM a\n",
    "comments that suppress": b"# repro-audit: ignore[image-latest] x\n# hadolint ignore=DL3006\n" * 5_000 + b"FROM a\n",
    "ONBUILD": b"FROM a\n" + b"ONBUILD " * 10_000 + b"RUN x\n",
    "JSON forms": b"FROM a\nRUN " + b"[" * 50_000 + b"\nCMD [" + b'"a",' * 50_000 + b"]\n",
    "flags": b"FROM " + b"--platform=x " * 10_000 + b"a\nRUN " + b"--mount=type=cache,target=/x," * 10_000 + b" x\n",
    "stage circles": b"FROM b AS a\nFROM a AS b\nCOPY --from=c / /\nFROM c AS c\nCOPY --from=c / /\nFROM 0\n",
    "ignore patterns": b"**/" * 300 + b"a\n" + b"*a" * 300 + b"\n[" + b"[" * 2_000 + b"\n!" * 500 + b"\n" + b"a?*" * 200
    + b"\n[z-a]\n\\\n[!\n{a,b}{c,d}\n(a+)+$\n",
    "a bad requirement": b"a" * 50_000 + b" " + b"(" * 5_000 + b"\n-r\n--hash\n" + b"a[" * 5_000 + b"\na;" + b"(" * 20_000 + b"\n",
    "markers": b"a; " + b"(" * 3_000 + b"python_version > '3'" + b")" * 3_000 + b"\nb; " + b" and ".join([b"os_name == 'a'"] * 5_000),
    "options that run": b"-e git+ext::sh -c touch% PWNED\n--index-url file:///etc/passwd\n-r /etc/passwd\n-r ../../../../etc/passwd\n"
    b"-c https://127.0.0.1:1/x\n-f $(touch PWNED)\n",
    "versions": b"a==" + b"1." * 20_000 + b"\nb>=" + b"1!" * 5_000 + b"2\nc~=" + b"a" * 20_000 + b"\nFROM a:" + b"1." * 20_000 + b"\n",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE_TEXT)
def test_no_text_stops_the_run(text: str, tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(NAMES, HOSTILE_TEXT[text]))
    checked(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Dockerfile", b"FROM a\n" + b"RUN apt-get install -y curl && pip install numpy\n" * 25_000),
        ("Dockerfile", b"FROM a\nRUN echo " + b"x" * 10_000_000 + b"\n"),
        ("Dockerfile", b"FROM a\nRUN pip install " + b"numpy " * 200_000 + b"\n"),
        ("requirements.txt", b"numpy " * 1_000_000 + b"\n"),
        ("requirements.txt", b"numpy\n" * 10_000),
        ("compose.yaml", b"services: {a: {image: '" + b"x" * 10_000_000 + b"'}}\n"),
        (".dockerignore", b"**/*a*b*c*d*/**\n" * 5_000),
        (".gitignore", b"**/*a*b*c*d*/**\n" * 5_000),
        ("pyproject.toml", b"[project]\ndependencies = ['" + b"x" * 5_000_000 + b"']\n"),
        (".devcontainer/devcontainer.json", b'{"image": "' + b"x" * 5_000_000 + b'"} // ' + b"/*" * 100_000),
        (".github/workflows/ci.yml", b"on: push\njobs: {a: {steps: [{run: '" + b"y" * 5_000_000 + b"'}]}}\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)
@pytest.mark.slow
def test_no_size_stops_the_run(name: str, text: bytes, tmp_path: Path) -> None:
    write(tmp_path, {name: text})
    checked(tmp_path)


# --- files and folders --------------------------------------------------------------------------------------------


def folder(place: Path) -> None:
    place.mkdir()
    (place / "Dockerfile").write_text("FROM python\n")


def pipe(place: Path) -> None:
    os.mkfifo(place)


def endpoint(place: Path) -> None:
    where = os.open(place.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{where}/{place.name}")
    os.close(where)


def link(target: str) -> Callable[[Path], None]:
    return lambda place: os.symlink(target, place)


PLACES: dict[str, dict[str | bytes, Content]] = {
    "folders with the names of files": {
        name: folder for name in NAMES if "/" not in name and name not in ("pyproject.toml", ".gitignore")
    },
    "pipes": {name: pipe for name in NAMES if name != "pyproject.toml"},
    "sockets": {"Dockerfile": endpoint, "compose.yaml": endpoint, "requirements.txt": endpoint, ".gitignore": endpoint},
    "links to themselves": {name: link(os.path.basename(name)) for name in NAMES if name != "pyproject.toml"},
    "links in a circle": {"a/Dockerfile": link("../b/Dockerfile"), "b/Dockerfile": link("../a/Dockerfile")},
    "folders linked in a circle": {"a/Dockerfile": "FROM a\nCOPY . .\n", "a/b": link("../a"), "c": link(".")},
    "links out of the tree": {
        "Dockerfile": link("/etc/passwd"),
        "requirements.txt": link("/etc/shadow"),
        "compose.yaml": link("../../../../../../etc/hostname"),
        "etc": link("/etc"),
        "proc": link("/proc/self"),
        ".dockerignore": link("/etc/passwd"),
        ".gitignore": link("/dev/zero"),
    },
    "links to devices": {"Dockerfile": link("/dev/zero"), "requirements.txt": link("/dev/stdin")},
    "broken links": {"Dockerfile": link("nowhere"), "compose.yaml": link("a\nb"), "requirements.txt": link("x" * 255)},
    "names": {
        "new\nline/Dockerfile": "FROM python\n",
        "Dockerfile.\x1b[31mred": "FROM python\n",
        "ünïcode/Dockerfile.日本": "FROM python\n",
        b"bytes-\xff\xfe/Dockerfile": "FROM python\n",
        b"Dockerfile.\xff": "FROM python\n",
        "-rf/Dockerfile": "FROM python\n",
        "--help": "FROM python\n",
        " /Dockerfile": "FROM python\n",
        "::error::x,y%0A/Dockerfile": "FROM python\n",
        "<script>&\"'/Dockerfile": "FROM python\n",
        "]]>/Dockerfile": "FROM python\n",
        "`|`/Dockerfile": "FROM python\n",
        "Dockerfile." + "x" * 244: "FROM python\n",
        "\u202egnp/Dockerfile": "FROM python\n",
    },
    "a deep tree": {"d/" * 900 + "Dockerfile": "FROM python\nCOPY . .\n"},
    "requirements that include each other": {
        "requirements.txt": "-r requirements.txt\n-r requirements-b.txt\n-c constraints.txt\nnumpy\n",
        "requirements-b.txt": "-r requirements.txt\n-r ./././requirements-b.txt\n-r ../../../../../../../etc/passwd\n-r .\n",
        "constraints.txt": "-c constraints.txt\n-r requirements.txt\n",
        "Dockerfile": "FROM a\nCOPY . .\nRUN pip install -r requirements.txt -c constraints.txt\n",
    },
    "requirements in a long chain": {
        **{f"requirements/{n}.txt": f"-r {n + 1}.txt\na{n}\n" for n in range(1_000)},
        "Dockerfile": "FROM a\nCOPY . .\nRUN pip install -r requirements/0.txt\n",
    },
    "requirements that include two each": {
        **{f"requirements/{n}.txt": f"-r {n + 1}.txt\n-r {n + 1}.txt\n-r ./{n + 1}.txt\na\n" for n in range(60)},
        "Dockerfile": "FROM a\nCOPY . .\nRUN pip install -r requirements/0.txt\n",
    },
    "compose files that extend each other": {
        "compose.yaml": "include: [compose.yaml, b/compose.yaml, ../../../../etc/passwd, b]\nservices:\n"
        "  a: {extends: b, image: x}\n  b: {extends: a}\n  c: {extends: {file: b/compose.yaml, service: c}}\n  d: {extends: d}\n"
        "  e: {extends: {file: /etc/passwd, service: a}, env_file: [/etc/passwd, ., compose.yaml], build: ../../..}\n",
        "b/compose.yaml": "include: [../compose.yaml]\nservices:\n  c: {extends: {file: ../compose.yaml, service: c}}\n",
    },
    "services that extend in a long chain": {
        "compose.yaml": "services:\n  s0: {image: x}\n"
        + "".join(f"  s{n}: {{extends: s{n - 1}, environment: {{A{n}: 1}}}}\n" for n in range(1, 1_500)),
    },
    "builds of each other": {
        "compose.yaml": "services:\n  a: {build: {context: ., dockerfile: compose.yaml}}\n  b: {build: {context: Dockerfile}}\n"
        "  c: {build: {context: /}}\n  d: {build: 'https://127.0.0.1:1/x.git'}\n  e: {build: {dockerfile_inline: 'FROM $$(touch PWNED)'}}\n",
        "Dockerfile": "FROM a\nCOPY compose.yaml ../../../etc/passwd /etc/shadow /\nADD --from=x . .\nRUN pip install -r /etc/passwd -r ../../x\n",
    },
    "commands": {
        "Dockerfile": 'FROM $(touch PWNED)\nRUN touch PWNED; `touch PWNED`\nARG a=`touch PWNED`\nSHELL ["touch", "PWNED"]\nCMD touch PWNED\n',
        "setup.py": "open('PWNED', 'w')\n",
        "sitecustomize.py": "open('PWNED', 'w')\n",
        "yaml.py": "open('PWNED', 'w')\n",
        "tree_sitter.py": "open('PWNED', 'w')\n",
        "requirements.txt": "-e .\n./x\n",
        "repro_audit_plugin.py": "open('PWNED', 'w')\n",
        "conftest.py": "open('PWNED', 'w')\n",
        ".git/config": "[core]\n\tfsmonitor = touch PWNED\n\thooksPath = .\n\tpager = touch PWNED\n",
        ".git/index": b"DIRC\0\0\0\2\xff\xff\xff\xff" + b"\xff" * 100,
        ".git/info/exclude": b"[" * 5_000,
    },
}  # fmt: skip


@pytest.mark.parametrize("places", PLACES)
def test_no_tree_stops_the_run(places: str, tmp_path: Path) -> None:
    write(tmp_path, PLACES[places])
    report = checked(tmp_path)
    text = json.dumps(report)
    assert "root:x:0" not in text and "root:" not in text


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_shows_what_is_hostile_harmlessly(form: str, tmp_path: Path) -> None:
    write(tmp_path, {**PLACES["names"], **PLACES["links out of the tree"]})
    for number, text in enumerate(("control characters", "invalid UTF-8", "NUL bytes", "right to left", "UTF-16 LE")):
        write(tmp_path, {f"t{number}/{name}": HOSTILE_TEXT[text] for name in NAMES})
    done = run(tmp_path, "check", ".", "--format", form, "--color", "never")
    assert done.returncode == 1, done.stderr
    shown = done.stdout.decode()  # whatever stood in the files, a report is valid UTF-8
    for raw in ("\x1b", "\x07", "\x9b", "\0", "\u202e", "\u2066"):
        assert raw not in shown, repr(raw)
    if form in ("json", "sarif", "gitlab"):
        json.loads(shown)
    if form == "junit":
        ET.fromstring(shown)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[tool.repro-audit]\nselct = ['x']\n"),
        ("pyproject.toml", "[tool.repro-audit]\nrules = [1]\n[tool.repro-audit\n"),
        ("repro-audit.toml", "x = " + "[" * 50_000),
        ("repro-audit.toml", "[severity]\nimage-latest = 'fatal'\n"),
        (".repro-audit.yaml", "select: !!python/object/apply:os.system ['touch PWNED']\n"),
        (".repro-audit.yaml", "a: &a [*a]\n" + "- " * 5_000),
        ("repro-audit.toml", "rules = ['package:os']\nselect = ['nope']\n"),
        ("repro-audit.toml", "baseline = '/etc/passwd'\n"),
        (".hadolint.yaml", "ignored: !!python/object/apply:os.system ['touch PWNED']\nignored: {a: [*x]}\n"),
        (".hadolint.yaml", "trustedRegistries: 5\n"),
        (".hadolint.yaml", "ignored: " + "[" * 100_000),
        (".hadolint.yaml", "a: &a {b: 1}\n" + "a: &a {<<: [*a, *a, *a, *a]}\n" * 40 + "ignored: [*a]\n"),
        (".hadolint.yaml", pipe),
        ("repro-audit.toml", pipe),
        ("pyproject.toml", pipe),
        ("repro-audit.toml", link("/dev/zero")),
        ("repro-audit.toml", "rules = ['/proc/self']\nexclude = ['[z-a', '**/**/**/*a*a*a*a*a*b']\n"),
    ],
)
def test_a_hostile_configuration_is_a_message_at_most(name: str, text: Content, tmp_path: Path) -> None:
    write(tmp_path, {name: text, MARK: "FROM python\n", ".git/HEAD": "x"})
    before = stand(tmp_path)
    done = run(tmp_path, "check", ".")
    assert stand(tmp_path) == before
    assert done.returncode in (1, 2)
    if done.returncode == 2:
        assert done.stderr.startswith(b"repro-audit: ") and done.stderr.count(b"\n") < 4, done.stderr
    assert b"root:" not in done.stdout + done.stderr


def test_rules_of_an_audited_repository_cannot_hang_or_run_anything(tmp_path: Path) -> None:
    rule = (
        "id: {id}\nsummary: s\nseverity: error\non: command\nmatch: {match}\nmessage: m\nwhy: w\nfix: f\nexamples: []\n"
    )
    matches = [
        "{name: {regex: '(a+)+$'}}",
        "{name: {regex: '(a|a)*b'}}",
        "{name: {regex: '((((a{1,30}){1,30}){1,30}){1,30})'}}",
        "{name: {regex: '(?=x)'}}",
        "{name: {regex: '[[['}}",
        "{__class__: {regex: x}}",
        "{name: !!python/object/apply:os.system ['touch PWNED']}",
    ]
    write(tmp_path, {"repro-audit.toml": "rules = ['ci']\n", "Dockerfile": "FROM python\nRUN " + "a" * 5_000 + "!\n"})
    for number, match in enumerate(matches):
        name = f"evil-{number}"
        write(tmp_path, {f"ci/pinning/{name}.yaml": rule.format(id=name, match=match)})
    write(tmp_path, {"ci/nested.yaml": "id: " + "[" * 100_000})
    write(tmp_path, {"ci/check.yaml": "id: check\ncheck: os.system\non: command\n", "ci/pipe.yaml": pipe})
    write(tmp_path, {MARK: "FROM python\n"})
    done = run(tmp_path, "check", ".", "--format", "json")
    assert done.returncode == 1
    assert FOUND in [(f["path"], f["rule"]) for f in json.loads(done.stdout)["findings"]]
    assert "PWNED" not in os.listdir(tmp_path)


def test_a_file_that_goes_away_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from repro_audit.cli import audit as auditing
    from repro_audit.cli.main import main

    write(tmp_path, {"Dockerfile": "FROM python\n", "gone/Dockerfile": "FROM python\n", MARK: "FROM python\n"})
    monkeypatch.chdir(tmp_path)
    discover = auditing.discover

    def and_remove(*arguments: Any, **options: Any) -> Any:
        found = discover(*arguments, **options)
        (tmp_path / "gone/Dockerfile").unlink()
        (tmp_path / "Dockerfile").unlink()
        os.mkfifo(tmp_path / "Dockerfile")
        return found

    monkeypatch.setattr(auditing, "discover", and_remove)
    assert main(["check", ".", "--format", "json"]) == 1
    found = [(f["path"], f["rule"]) for f in json.loads(capsys.readouterr().out)["findings"]]
    assert FOUND in found
    assert {path for path, _ in found} >= {"gone/Dockerfile", "Dockerfile"}
    assert "internal-error" not in {rule for _, rule in found}


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="needs another user")
def test_what_may_not_be_read_is_a_finding(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    write(tmp_path, {"Dockerfile": "FROM a\n", "secret/Dockerfile": "FROM a\n", MARK: "FROM python\n"})
    os.chmod(tmp_path / "Dockerfile", 0)
    os.chmod(tmp_path / "secret", 0)
    # `nobody` may not reach Python itself: so a fork, with everything loaded.
    report = tmp_path.parent / f"{tmp_path.name}.json"
    report.touch()
    report.chmod(0o666)
    for above in (tmp_path, *tmp_path.parents):
        if above == Path("/tmp"):
            break
        above.chmod(0o755)
    write(tmp_path, {"warm/Dockerfile": "FROM python\nRUN pip install numpy\n"})
    from repro_audit.cli.main import main

    os.chdir(tmp_path)
    main(["warm/Dockerfile", "--format", "json", "--output", os.devnull])
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(65534, 65534, 65534)
            with open(report, "w") as sys.stdout:
                status = main(["check", ".", "--format", "json", "--jobs", "1"])
            os._exit(status)
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    os.chmod(tmp_path / "secret", 0o755)
    assert os.waitstatus_to_exitcode(status) == 1
    found = {(f["path"], f["rule"]) for f in json.loads(report.read_text())["findings"]}
    assert FOUND in found
    assert {path for path, _ in found} >= {"Dockerfile", "secret"}
