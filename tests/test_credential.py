"""Passwords and tokens in audited files stay out of what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_audit.cli.main import main
from repro_audit.credential import masked, masked_line
from repro_audit.report import FORMATS

PASSWORD = "s3cr3tpw"
TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
DOCKERFILE = f"""\
FROM python:3.12.7
ENV API_TOKEN={TOKEN}
ENV DB_PASSWORD="{PASSWORD}"
RUN git clone https://{TOKEN}@github.com/a/b
RUN pip install https://user:{PASSWORD}@example.com/a.whl
RUN curl -fsSLO https://user:{PASSWORD}@example.com/latest/a.tar
"""


@pytest.mark.parametrize("shown_as", FORMATS)
def test_no_report_repeats_a_password(
    shown_as: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    monkeypatch.chdir(tmp_path)
    assert main([".", "--format", shown_as]) == 1
    assert main(["inputs", "."]) == 0
    out = capsys.readouterr().out
    assert "example.com" in out
    assert PASSWORD not in out
    assert TOKEN not in out


@pytest.mark.parametrize(
    "text",
    [
        "git+ssh://git@github.com/a/b",
        "https://git@github.com/a/b",
        "docker://python:3.12@sha256:ab",
        "https://$TOKEN@example.com",
        "https://user:${PASSWORD}@example.com",
        "https://example.com:8080/a@b",
        "see https://example.com or write to me@example.com",
        "ENV TOKEN_FILE=/run/secrets/token",
        "ENV TOKEN=$TOKEN PASSWORD=",
        "RUN --mount=type=secret,id=token,env=TOKEN true",
        "max_tokens: 1000",
    ],
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert masked(text) == text
    assert masked_line(text) == text


def test_a_masked_line_keeps_its_columns() -> None:
    line = f"RUN curl https://me:{PASSWORD}@example.com/a -H 'X: {TOKEN}' # end"
    shown = masked_line(line)
    assert len(shown) == len(line)
    assert shown.endswith("' # end") and shown.index("@example.com") == line.index("@example.com")


def test_endless_lines_are_masked_in_linear_time() -> None:
    for text in (
        "https://" * 200_000,
        "@ " + "https://a:" * 200_000,
        "@ https://" + "a:" * 200_000,
        "token_a" * 200_000,
    ):
        assert masked_line(text + "$") == text + "$"
