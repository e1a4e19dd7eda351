"""The JSON report holds to its published schema."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema

from repro_audit.finding import Edit, Fix
from repro_audit.report import render
from repro_audit.result import Result
from repro_audit.source import Span

SCHEMA = json.loads(files("repro_audit.schema").joinpath("report-1.json").read_text())


def test_the_schema_is_itself_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_report_has_the_published_shape(sample):
    report = json.loads(render(sample, "json"))
    jsonschema.validate(report, SCHEMA)
    assert report["version"] == 1
    assert report["level"] == 0
    assert report["summary"] == {
        "findings": 4,
        "error": 2,
        "warning": 1,
        "info": 1,
        "fixable": 1,
        "fixable_unsafe": 1,
        "suppressed": 2,
        "baselined": 1,
        "files": 5,
        "rules": 44,
        "fail_on": "error",
        "failed": True,
    }
    assert report["findings"][0] == {
        "rule": "image-latest",
        "family": "pinning",
        "severity": "error",
        "message": "`python` is whatever the registry serves today",
        "path": "Dockerfile",
        "start": {"line": 1, "column": 6},
        "end": {"line": 1, "column": 12},
        "fix": None,
        "aliases": ["DL3006"],
        "related": [],
    }
    assert report["findings"][2]["fix"] == {
        "title": "Remove `version`",
        "safe": True,
        "edits": [{"start": {"line": 1, "column": 1}, "end": {"line": 2, "column": 1}, "text": ""}],
    }
    assert report["findings"][1]["related"][0]["path"] == "docker/compose.yaml"
    assert report["inputs"][0] == {
        "kind": "image",
        "ecosystem": None,
        "name": "python",
        "requested": "",
        "pin": "floating",
        "reason": "a reason",
        "path": "Dockerfile",
        "line": 1,
        "column": 6,
        "end": {"line": 1, "column": 12},
        "where": "from",
    }
    assert report["notes"] == [{"message": "the setting `jobs` had no effect", "path": "pyproject.toml"}]


def test_a_report_without_findings_has_the_published_shape():
    report = json.loads(render(Result((), fail_on=None), "json"))
    jsonschema.validate(report, SCHEMA)
    assert report["findings"] == report["inputs"] == []
    assert report["summary"]["fail_on"] == "never"
    assert report["level"] is None


def test_a_report_is_ascii_and_has_no_lone_surrogates(sample, finding):
    text = "FROM \udcff\u65e5\n"
    fix = Fix("\udcfe", (Edit(Span(0, 1), "\udcfd"),))
    shown = render(
        replace(sample, findings=(finding(text, "\udcff", path="\udcff", message="\udcff\u65e5", fix=fix),)), "json"
    )
    assert shown.isascii()
    assert "\\udc" not in shown
    one = json.loads(shown)["findings"][0]
    assert (one["path"], one["message"]) == ("\\xff", "\\xff\u65e5")
