"""What holds for every format: any findings are rendered, what machines read parses back, and the cost is linear."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro_audit.facts.pin import Level
from repro_audit.finding import Edit, Finding, Fix, Related, Severity
from repro_audit.report import FORMATS, Look, render
from repro_audit.result import InputRecord, Note, Result, RuleText
from repro_audit.source import Position, Source, Span

# Every code point, lone surrogates included, with those that break things more often than by chance.
CHARACTERS = st.one_of(
    st.characters(),
    st.characters(categories=["Cs"]),
    st.sampled_from("\x1b\x07\r\n\t\x00\x9b\u202e\u2028\ufffe\u0301\u200d`|<>&\"'[]()%:,#{}\\"),
)
TEXT = st.text(CHARACTERS, max_size=40)


@st.composite
def results(draw: st.DrawFn) -> Result:
    sources = draw(st.lists(st.builds(Source, TEXT, TEXT), min_size=1, max_size=3))

    def span(source: Source) -> Span:
        ends = sorted(draw(st.lists(st.integers(0, len(source.text)), min_size=2, max_size=2)))
        return Span(ends[0], ends[1])

    def finding() -> Finding:
        source, other = draw(st.sampled_from(sources)), draw(st.sampled_from(sources))
        fix = None
        if draw(st.booleans()):
            fix = Fix(draw(TEXT), (Edit(span(source), draw(TEXT)),), draw(st.booleans()))
        related = (Related(other, span(other), draw(TEXT)),) if draw(st.booleans()) else ()
        severity = draw(st.sampled_from(Severity))
        aliases = tuple(draw(st.lists(TEXT, max_size=2)))
        return Finding(draw(TEXT), draw(TEXT), severity, draw(TEXT), source, span(source), fix, related, aliases)

    findings = tuple(finding() for _ in range(draw(st.integers(0, 3))))
    place = Position(1, 1)
    record = InputRecord(
        "image", "", draw(TEXT), draw(TEXT), draw(st.sampled_from(Level)), draw(TEXT), draw(TEXT), place, place
    )
    prose = RuleText(draw(TEXT), draw(TEXT), (draw(TEXT),))
    return Result(
        findings,
        inputs=(record,),
        level=draw(st.sampled_from([None, 0, 1, 2, 3, 4])),
        files=draw(st.integers(0, 3)),
        notes=(Note(draw(TEXT), draw(st.one_of(st.none(), TEXT))),),
        fail_on=draw(st.sampled_from([None, *Severity])),
        text=lambda rule: prose,
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(results())
def test_any_findings_are_rendered_and_what_machines_read_parses_back(result):
    shown = {name: render(result, name) for name in FORMATS}
    for text in shown.values():
        assert text.endswith("\n")
        text.encode("utf-8")
    assert len(json.loads(shown["json"])["findings"]) == len(result.findings)
    assert len(json.loads(shown["sarif"])["runs"][0]["results"]) == len(result.findings)
    assert len(json.loads(shown["gitlab"])) == len(result.findings)
    assert ET.fromstring(shown["junit"]).get("tests") == str(max(len(result.findings), 1))
    commands = [line for line in shown["github"].split("\n") if line.startswith("::")]
    assert len(commands) == len(result.findings)
    assert all(c.isprintable() or c == "\n" for c in shown["text"])
    for name in ("text", "github", "junit", "markdown", "html", "json", "sarif", "gitlab"):
        assert "\x1b" not in shown[name], name


@settings(max_examples=100, deadline=None)
@given(results(), st.integers(20, 200))
def test_the_text_report_holds_to_the_width_for_source_lines(result, width):
    from repro_audit.report.frame import frame
    from repro_audit.report.visible import cells

    for finding in result.findings:
        for row in frame(finding.source, finding.span, width):
            assert cells(row.text) <= width + 12
            assert len(row.under) <= cells(row.text) + 1


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_result_gives_the_same_report(sample, name):
    assert render(sample, name) == render(sample, name)


def test_an_unknown_format_is_refused(sample):
    with pytest.raises(ValueError, match="unknown report format 'xml'"):
        render(sample, "xml")


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_many_findings_are_rendered_in_time_in_proportion(name, linear):
    def rendered(count: int) -> None:
        text = "".join(f"RUN pip install package-{i}\n" for i in range(count))
        source = Source("Dockerfile", text)
        at, findings = text.index("package-0"), []
        for i in range(count):
            span = Span(at, at + len(f"package-{i}"))
            findings.append(
                Finding("pip-unpinned", "pinning", Severity.ERROR, f"`package-{i}` has no version", source, span)
            )
            at = span.end + len("\nRUN pip install ")
        assert len(render(Result(tuple(findings), files=1), name, Look())) > 5 * count

    linear(rendered, 4_000)


@pytest.mark.parametrize("name", ["text", "json", "github"])
def test_the_common_formats_do_not_load_rich_or_yaml(name):
    program = (
        "import sys; from repro_audit.report import render; from repro_audit.result import Result; "
        f"render(Result(()), {name!r}); print(sorted({{'rich', 'yaml', 'hashlib', 'urllib'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
