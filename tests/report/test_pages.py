"""Reports that browsers show: Markdown for a step summary, one HTML file. Text from audited files is never markup in them."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from markdown_it import MarkdownIt

from repro_audit.report import render
from repro_audit.report.prose import first_sentence, parts
from repro_audit.result import Result


def _table(markdown: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(markdown)


def test_markdown_has_counts_level_and_a_table(sample):
    shown = render(sample, "markdown")
    assert shown.startswith("## repro-audit\n\n2 errors, 1 warning, 1 info in 2 of 5 files.\n")
    page = _table(shown)
    assert page.count("<tr>") == 5
    assert "<td><code>Dockerfile:1</code></td>" in page
    assert "<td><code>python</code> is whatever the registry serves today</td>" in page
    assert "Reproducibility level 0 of 4: 2 inputs float" in page


def test_markdown_from_a_file_is_shown_and_not_obeyed(sample, finding):
    evil = "a|b ![x](http://e/x.png) <b>[l](u)</b> **bold** `co|de` @user ~~s~~ `` ` `` #1"
    one = finding("FROM python\n", "python", path="a|`b`\n|c.md", message=evil)
    page = _table(render(replace(sample, findings=(one,)), "markdown"))
    body = page[page.index("<tbody>") :]
    assert body.count("<td>") == 4
    assert "<img" not in body
    assert "<a " not in body
    assert "<b>" not in body
    assert "<strong>" not in body
    assert "<code>co|de</code>" in body
    assert "a|b ![x](http://e/x.png) &lt;b&gt;[l](u)&lt;/b&gt; **bold**" in body
    assert "<code>a|`b`\\n|c.md:1</code>" in body


def test_markdown_stays_below_what_a_step_summary_may_hold(sample):
    shown = render(replace(sample, findings=sample.findings * 10_000), "markdown")
    assert len(shown.encode()) < 1_000_000
    assert "more findings are left out here" in shown


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_one_balanced_page_that_loads_and_runs_nothing(sample):
    page = render(sample, "html")
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {tag for tag, _ in tags.seen} & {"script", "link", "img", "iframe"}
    assert not any(key in ("src", "href") or key.startswith("on") for _, attrs in tags.seen for key in attrs)
    assert "<code>python</code> is whatever the registry serves today" in page
    assert '    1 | FROM python\n      | <b class="error">     ^^^^^^</b>' in page
    assert "<h2>Inputs</h2>" in page
    assert "Mend image-latest so." in page


def test_html_from_a_file_is_shown_and_not_obeyed(sample, finding):
    evil = "<script>alert(1)</script>"
    one = finding(f"FROM {evil}\n", evil, path=f'"{evil}', message=f"`{evil}` & {evil}", rule=evil, family=evil)
    page = render(replace(sample, findings=(one,), inputs=()), "html")
    assert "<script" not in page
    assert "FROM &lt;script&gt;" in page


def test_html_of_a_clean_run_says_so():
    assert "<p>No findings in 1 file.</p>" in render(Result((), files=1), "html")


def test_the_first_sentence_ends_where_it_ends():
    assert (
        first_sentence("Use `python:3.12.7`, not\n`python`. Then build.\n\nMore.")
        == "Use `python:3.12.7`, not `python`."
    )
    assert first_sentence("Run `a ... B. C`. Then go.") == "Run `a ... B. C`."
    assert first_sentence("Write this:\n\n    code") == "Write this."
    assert first_sentence("One line") == "One line"
    assert first_sentence("```\ncode\n```") == ""
    assert first_sentence("") == ""
    assert first_sentence("word " * 100, 20) == "word word word wo..."


def test_a_backtick_without_a_partner_is_text():
    assert list(parts("a `b` c ` d")) == [(False, "a "), (True, "b"), (False, " c "), (False, "` d")]
    assert "".join(text for _, text in parts("``")) == "``"
