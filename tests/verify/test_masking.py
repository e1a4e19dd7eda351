"""Secrets in what two images differ in."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_archives import docker_archive, layer, symlink

from repro_audit.container.engine_secrets import Redactor
from repro_audit.verify.explain import verify_archives
from repro_audit.verify.report import render
from repro_audit.verify.textdiff import unified

SECRET = "hunter22&more-of<it>"


def _archive(path: Path, side: int) -> str:
    tar = layer(
        {
            "made": f"{side}\npassword={SECRET}\n".encode(),
            "wide": (f"{side}" + "x" * 190 + SECRET + "\n").encode(),
            "link": symlink(f"/{SECRET}/{side}"),
            f"named-{SECRET}-{side}": b"",
        }
    )
    history = [{"created_by": f"|1 TOKEN={SECRET} /bin/sh -c echo {side}", "created": "2024-01-01T00:00:00Z"}]
    settings = {"Env": [f"TOKEN={SECRET}{side}"], "Labels": {"a": f"{SECRET}{side}"}}
    return docker_archive(path, [tar], history, config=settings)


@pytest.mark.parametrize("style", ["text", "json", "markdown", "html"])
def test_no_report_shows_a_secret_wherever_the_images_have_it(tmp_path: Path, style: str) -> None:
    sides = [_archive(tmp_path / f"{side}.tar", side) for side in (1, 2)]
    masked = verify_archives(*sides, mask=Redactor([SECRET]).text)
    open_ = verify_archives(*sides)
    assert (masked.result, masked.level) == (open_.result, open_.level)
    assert len(masked.differences) == len(open_.differences)
    shown = render(masked, style, conditions={})
    assert "***" in shown or r"\*\*\*" in shown or "&#42;" in shown
    for piece in ("hunter22", "more-of", "of<it>", "of&lt;it"):
        assert piece not in shown
    assert "hunter22" in render(open_, style, conditions={})


def test_a_secret_that_a_long_line_is_cut_in_does_not_show_in_part() -> None:
    left, right = (f"{side}".encode() + b"x" * 190 + SECRET.encode() for side in (1, 2))
    assert "hunter" in unified(left, right)
    assert "hunt" not in unified(left, right, mask=Redactor([SECRET]).text)
