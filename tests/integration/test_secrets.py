"""Values that must not be shown, in builds that write them into the image: neither on a terminal nor in any report."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from daemons import Rig

SECRET, TOKEN = "hunter2-and/more", "tok-123456789&x"
TEXT = """FROM {base}
ARG API_TOKEN
ENV KEPT=$API_TOKEN
LABEL token="$API_TOKEN"
RUN --mount=type=secret,id=login date +%s%N > /made && cat /run/secrets/login >> /made && echo "$API_TOKEN" >> /made
RUN --mount=type=secret,id=login (date +%s%N; base64 /run/secrets/login; echo -n "me:$API_TOKEN" | base64) > /coded
RUN --mount=type=secret,id=login (date +%s%N; cat /run/secrets/login) | gzip > /packed.gz
RUN ln -s "$API_TOKEN" /link-$(date +%s%N) && echo https://me:password1234@host/ && cat /coded
"""
with_secrets = pytest.mark.parametrize("rig", ["buildx", "podman"], indirect=True)


def _given(rig: Rig, write) -> tuple[Path, list[str]]:
    project = write({"Dockerfile": TEXT.format(base=rig.base), "login.txt": SECRET + "\n"})
    (project / ".dockerignore").write_text("login.txt\n")
    return project, [f"--secret=id=login,src={project}/login.txt", f"--build-arg=API_TOKEN={TOKEN}"]


def _told(text: str) -> list[str]:
    import base64

    pieces = [SECRET, TOKEN, TOKEN.replace("&", "&amp;"), TOKEN.replace("&", "\\u0026"), "password1234"]
    pieces += [base64.b64encode(f"me:{TOKEN}".encode()).decode()[4:16], base64.b64encode(SECRET.encode()).decode()[:16]]
    return [piece for piece in pieces if piece in text]


@with_secrets
def test_no_report_of_a_verification_tells_what_the_build_wrote_down(rig: Rig, write, tmp_path: Path) -> None:
    project, words = _given(rig, write)
    record = tmp_path / "record.json"
    shown = ""
    for style in ("json", "html") if rig.name == "buildx" else ("text", "markdown"):
        done = rig.run("verify", str(project), *words, f"--format={style}", f"--record={record}", check=1)
        shown += done.stdout + done.stderr + record.read_text()
        assert "/made" in done.stdout and "***" in done.stdout
    assert _told(shown) == []


@pytest.mark.parametrize("rig", ["moby", "buildah"], indirect=True)
def test_a_terminal_does_not_show_what_the_build_says(rig: Rig, write) -> None:
    project, words = _given(rig, write)
    (project / "Dockerfile").write_text(TEXT.format(base=rig.base) + 'RUN cat /coded && echo "$API_TOKEN" && false\n')
    ours, theirs = pty.openpty()
    words += [f"--engine={rig.engine}", f"--network={rig.network}", "--no-cache"]
    child = subprocess.Popen(
        [sys.executable, "-m", "repro_audit", "build", str(project), *words],
        env=rig.env | {"TERM": "xterm", "COLUMNS": "400"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        shown += piece
    os.close(ours)
    assert child.wait(60) == 1
    text = shown.decode("utf-8", "replace")
    assert "***" in text and "the build failed" in text
    assert _told(text) == []
