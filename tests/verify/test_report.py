"""Reports show every difference in every format, and no name from an image can break out of them."""

import html.parser
import json
import re

import pytest
from image_archives import F, docker_archive, folder, layer

from repro_audit.verify.explain import verify_archives
from repro_audit.verify.instruction import InstructionPlace
from repro_audit.verify.report import FORMATS, render

HISTORY = [
    {"created_by": "# debian.sh"},
    {"created_by": "RUN /bin/sh -c date > /stamp # buildkit", "created": "2024-01-01T00:00:00Z"},
]
PLACES = [
    InstructionPlace(1, "FROM", "FROM debian:12", "Dockerfile"),
    InstructionPlace(3, "RUN", "RUN date > /stamp", "Dockerfile"),
]


def comparison(tmp_path, left, right, history=HISTORY, **more):
    base = layer([("etc", folder())])
    paths = []
    for number, files in enumerate((left, right)):
        paths.append(
            docker_archive(tmp_path / f"{number}.tar", [base, layer(files)], history, **(more if number else {}))
        )
    return verify_archives(*paths, PLACES)


def stamped(tmp_path, **more):
    left = [("stamp", b"2024-01-01 10:00:00\n"), ("old", F(b"x", mtime=1))]
    right = [("stamp", b"2024-01-02 11:00:00\n"), ("old", F(b"x", mtime=2))]
    return comparison(tmp_path, left, right, **more)


def test_json_has_the_documented_shape(tmp_path):
    found = json.loads(render(stamped(tmp_path), "json", conditions={"SOURCE_DATE_EPOCH": "1"}))
    assert (found["version"], found["result"], found["level"]) == (1, "different", None)
    stamp = next(d for d in found["differences"] if d["path"] == "/stamp")
    assert stamp["kinds"] == ["content"]
    assert stamp["instruction"]["line"] == 3
    assert stamp["cause"] == "embedded-date"
    assert stamp["remedy"]
    assert "-2024-01-01" in stamp["diff"]
    assert found["packages"] == []
    assert found["conditions"] == {"SOURCE_DATE_EPOCH": "1"}
    assert [layer["same"] for layer in found["layers"]] == [True, False]


def test_text_names_place_cause_diff_remedy_and_result(tmp_path):
    text = render(stamped(tmp_path), "text")
    assert "Dockerfile:3: RUN date > /stamp" in text
    assert "embedded-date: 1 file" in text
    assert "+2024-01-02 11:00:00" in text
    assert "remedy: declare ARG SOURCE_DATE_EPOCH in the stage" in text
    assert "(rule build-clock)" in text
    counted, aside = text.split("does not count:")
    assert "timestamps" not in counted
    assert "timestamps: 1 file; only its times differ: /" in aside
    assert text.rstrip().endswith("different: rebuilding gives other files or another configuration")
    assert "\x1b" not in text
    assert "\x1b[31m" in render(stamped(tmp_path), "text", color=True)


def test_text_shortens_long_lists(tmp_path):
    left, right = ([(f"f{n}", data) for n in range(30)] for data in (b"red", b"sky"))
    text = render(comparison(tmp_path, left, right), "text", limit=5)
    assert "... and 25 more" in text
    assert text.count("[content]") == 5


def test_identical_images_say_level_4_in_every_format(tmp_path):
    same = comparison(tmp_path, [("a", b"1")], [("a", b"1")])
    for style in FORMATS:
        assert "identical" in render(same, style)
    assert json.loads(render(same, "json"))["level"] == 4


def test_packages_and_configuration_are_listed_in_every_format(tmp_path):
    status = "Package: curl\nStatus: install ok installed\nVersion: 7.{}\n\n"
    sides = [[("var/lib/dpkg/status", status.format(n).encode())] for n in (1, 2)]
    found = comparison(tmp_path, *sides, config={"Env": ["PATH=/elsewhere"], "Cmd": ["sh"]})
    for style in FORMATS:
        text = render(found, style)
        assert "curl" in text
        assert "7.1" in text
        assert "7.2" in text
        assert "config.Env.PATH" in text
        assert "/elsewhere" in text


EVIL = [
    '<script>alert("1")</script>',
    "</code></pre><img src=x onerror=alert(1)>",
    "a`b``c|d*e_[f](g)",
    "new\nline\r\ttab",
    "\x1b[31mred\x1b]0;title\x07",
    "right\u202eleft",
    b"caf\xe9".decode("utf-8", "surrogateescape"),
    "```\n# heading",
]


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = set()
        self.attributes = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes.update(name for name, _ in attrs)


@pytest.mark.parametrize("name", EVIL)
def test_no_name_breaks_out_of_a_report(tmp_path, name):
    history = [HISTORY[0], {"created_by": f"RUN /bin/sh -c {name} # buildkit" if name.isprintable() else "RUN x"}]
    content = name.encode("utf-8", "surrogateescape")
    left = [(f"d/{name.replace('/', '')}", content + b"\n1\n")]
    right = [(f"d/{name.replace('/', '')}", content + b"\n2 <b>`x`</b>\n")]
    found = comparison(tmp_path, left, right, history)
    found = verify_archives(str(tmp_path / "0.tar"), str(tmp_path / "1.tar"))
    assert len(found.differences) == 1
    for style in FORMATS:
        text = render(found, style)
        text.encode()
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", text), style
    json.loads(render(found, "json"))
    tags = Tags()
    tags.feed(render(found, "html"))
    assert not tags.seen & {"script", "img", "b>"} - {"b"}
    assert "onerror" not in tags.attributes
    markdown = render(found, "markdown")
    table = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in table)
    assert "<script>" not in re.sub(r"(`+).*?\1", "", markdown, flags=re.DOTALL)


def test_html_is_one_file_with_a_picture_and_loads_nothing(tmp_path):
    page = render(stamped(tmp_path), "html")
    assert page.startswith("<!doctype html>")
    assert 'aria-label="layer 0: same"' in page
    assert 'aria-label="layer 1: 1 differ, 1 harmless"' in page
    assert "http" not in re.sub(r"http-equiv|Content-Security-Policy", "", page)
    tags = Tags()
    tags.feed(page)
    assert not tags.seen & {"script", "link", "img", "iframe"}


def test_a_base_image_that_moved_is_told_as_such(tmp_path):
    paths = []
    for number, data in enumerate((b"1", b"2")):
        tars = [layer([("bin/sh", data)]), layer([("app", b"")])]
        paths.append(docker_archive(tmp_path / f"{number}.tar", tars, HISTORY))
    found = verify_archives(*paths, PLACES)
    (difference,) = found.differences
    assert difference.reason.cause == "base-image"
    assert difference.place.line == 1
    assert "Dockerfile:1: FROM debian:12" in render(found, "text")


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such format: pdf"):
        render(stamped(tmp_path), "pdf")
