"""The progress bar appears for long runs on a terminal, and only there."""

from __future__ import annotations

import sys

from repro_audit.report.progress import progress


def test_a_short_run_shows_no_bar(capsys):
    with progress(3, "files", enabled=True, delay=60) as advance:
        advance(1)
        advance(2)
    assert capsys.readouterr() == ("", "")


def test_nothing_is_shown_where_it_is_not_wanted(capsys):
    with progress(3, "files", enabled=False, delay=0) as advance:
        advance(1)
    assert capsys.readouterr() == ("", "")


def test_a_long_run_shows_how_far_it_is_on_standard_error(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress(3, "Auditing", enabled=True, delay=0) as advance:
        advance(1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Auditing" in err
    assert "1/3" in err


def test_an_exception_within_the_run_comes_through(capsys):
    try:
        with progress(3, "Auditing", enabled=True, delay=0) as advance:
            advance(1)
            raise KeyError("x")
    except KeyError:
        pass
    else:
        raise AssertionError("swallowed")
