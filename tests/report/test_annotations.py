"""Reports that servers show: GitHub annotations, GitLab Code Quality, JUnit."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

from repro_audit.finding import Severity
from repro_audit.report import render
from repro_audit.result import Result


def test_github_gets_an_annotation_for_each_finding_and_a_summary(sample):
    lines = render(sample, "github").splitlines()
    assert lines[:4] == [
        "::error file=Dockerfile,line=1,endLine=1,col=6,endColumn=12,title=image-latest::`python` is whatever the registry serves today",
        "::error file=Dockerfile,line=2,endLine=2,col=17,endColumn=22,title=pip-unpinned::`numpy` has no version",
        "::warning file=docker/compose.yaml,line=1,endLine=1,col=1,endColumn=13,title=version-obsolete::`version` has had no effect since Compose v2",
        "::notice file=docker/compose.yaml,line=5,endLine=5,col=9,endColumn=16,title=port-on-all-interfaces::port 8080 can be reached from everywhere",
    ]
    assert lines[4] == "2 errors, 1 warning, 1 info in 2 of 5 files."


def test_github_commands_cannot_be_forged_by_a_path_or_a_message(sample, finding):
    one = finding(
        "FROM python\n", "python", path="a,b:c%\n::error::x", message="1%\r\n::set-output name=x::y ##[warning]z"
    )
    line = render(replace(sample, findings=(one,)), "github").splitlines()[0]
    assert line == (
        "::error file=a%2Cb%3Ac%25%0A%3A%3Aerror%3A%3Ax,line=1,endLine=1,col=6,endColumn=12,title=image-latest"
        "::1%25\\r%0A::set-output name=x::y ## [warning]z"
    )


def test_github_gets_columns_only_within_one_line(sample, finding):
    text = "RUN a \\\n b\n"
    line = render(replace(sample, findings=(finding(text, "a \\\n b"),)), "github").splitlines()[0]
    assert "line=1,endLine=2,title=" in line


def test_a_place_that_ends_with_its_line_does_not_mark_the_next_line(sample, finding):
    for ending in ("\n", "\r\n"):
        text = f"RUN a{ending}RUN b{ending}"
        one = replace(sample, findings=(finding(text, f"RUN a{ending}"),))
        assert "line=1,endLine=1,col=1,endColumn=6,title" in render(one, "github")
        assert json.loads(render(one, "gitlab"))[0]["location"]["lines"] == {"begin": 1, "end": 1}
        place = json.loads(render(one, "sarif"))["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
        assert place["region"] == {
            "startLine": 1,
            "startColumn": 1,
            "endLine": 1,
            "endColumn": 6,
            "snippet": {"text": "RUN a"},
        }


def test_github_log_says_when_not_all_annotations_will_be_shown(sample):
    assert "GitHub shows 10 annotations" not in render(sample, "github")
    assert "GitHub shows 10 annotations" in render(replace(sample, findings=sample.findings[:1] * 11), "github")


def test_gitlab_gets_an_entry_for_each_finding(sample):
    entries = json.loads(render(sample, "gitlab"))
    assert [e["severity"] for e in entries] == ["critical", "critical", "major", "info"]
    assert len({e["fingerprint"] for e in entries}) == 4
    assert entries[0] == {
        "type": "issue",
        "check_name": "image-latest",
        "description": "`python` is whatever the registry serves today",
        "categories": ["Bug Risk"],
        "severity": "critical",
        "fingerprint": entries[0]["fingerprint"],
        "location": {"path": "Dockerfile", "lines": {"begin": 1, "end": 1}},
    }
    assert json.loads(render(Result(()), "gitlab")) == []


def test_gitlab_paths_have_no_leading_dot(sample, finding):
    one = finding("FROM python\n", "python", path="./a/Dockerfile")
    (entry,) = json.loads(render(replace(sample, findings=(one,)), "gitlab"))
    assert entry["location"]["path"] == "a/Dockerfile"


def test_junit_has_a_suite_for_each_file_and_fails_what_fails_the_run(sample):
    root = ET.fromstring(render(sample, "junit"))
    assert root.attrib == {"name": "repro-audit", "tests": "4", "failures": "2", "errors": "0"}
    assert [(s.get("name"), s.get("tests"), s.get("failures")) for s in root] == [
        ("Dockerfile", "2", "2"),
        ("docker/compose.yaml", "2", "0"),
    ]
    case = root[0][0]
    assert (case.get("classname"), case.get("name"), case.get("line")) == ("Dockerfile", "image-latest 1:6", "1")
    assert case[0].tag == "failure"
    assert case[0].text == "Dockerfile:1:6: error: `python` is whatever the registry serves today"
    assert root[1][0][0].tag == "system-out"


def test_junit_failures_follow_fail_on(sample):
    def failures(fail_on):
        return ET.fromstring(render(replace(sample, fail_on=fail_on), "junit")).get("failures")

    assert [failures(f) for f in (None, Severity.ERROR, Severity.WARNING, Severity.INFO)] == ["0", "2", "3", "4"]


def test_junit_of_a_clean_run_has_one_case_that_passes():
    root = ET.fromstring(render(Result((), files=2), "junit"))
    assert root.get("tests") == "1"
    assert root[0][0].get("name") == "No findings in 2 files."
    assert len(root[0][0]) == 0


def test_junit_spells_out_what_xml_cannot_hold(sample, finding):
    one = finding("FROM python\n", "python", path='a"<&\x00\n', message="\x0b\ufffe\udcff\U0001f600<")
    case = ET.fromstring(render(replace(sample, findings=(one,)), "junit"))[0][0]
    assert case.get("classname") == 'a"<&\\x00\\n'
    assert case[0].get("message") == "\\x0b\\ufffe\\xff\U0001f600<"


def test_a_finding_about_the_whole_project_stands_on_its_folder(sample, finding):
    one = replace(sample, findings=(finding("x", "x", path=""),))
    assert render(one, "github").startswith("::error title=image-latest::")
    assert json.loads(render(one, "gitlab"))[0]["location"]["path"] == "."
    assert ET.fromstring(render(one, "junit"))[0].get("name") == "."
    assert render(one, "text").startswith(".\n  1:1 error[image-latest]")
    assert "`.:1`" in render(one, "markdown")
    assert "<h2>.</h2>" in render(one, "html")
