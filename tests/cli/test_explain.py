"""`explain` knows every word that a report answers with, and says so where it knows none."""

from __future__ import annotations

import pytest

from repro_audit.cli.main import main
from repro_audit.cli.term import terms


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("timestamps", ["only its times differ", "repro-audit verify", "What to do: set SOURCE_DATE_EPOCH"]),
        ("package-version-gone", ["not there any more", "repro-audit build", "dated snapshot"]),
        ("driver-too-old", ["too old for the image's CUDA", "repro-audit smoke", "exit status 1"]),
        ("Build-Path", ["rule `build-host-leak`"]),
    ],
)
def test_words_of_reports_are_explained(capsys: pytest.CaptureFixture[str], name: str, told: list[str]) -> None:
    assert main(["explain", name]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert all(part in page for part in told), page


def test_every_word_has_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    for term in terms():
        assert main(["explain", term.name]) == 0
        assert term.means in capsys.readouterr().out


def test_a_word_that_two_reports_use_is_explained_for_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "out-of-memory"]) == 0
    page = capsys.readouterr().out
    assert "repro-audit build" in page
    assert "repro-audit smoke" in page


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timestamp", "did you mean `timestamps`?"),
        ("drivr-too-old", "did you mean `driver-too-old`?"),
        ("image-latst", "did you mean `image-latest`?"),
        ("SC2086", "ShellCheck's rules are not included"),
    ],
)
def test_a_name_that_nothing_has_leads_to_the_nearest(capsys: pytest.CaptureFixture[str], name: str, said: str) -> None:
    assert main(["explain", name]) == 2
    assert said in capsys.readouterr().err
