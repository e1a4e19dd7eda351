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


def test_an_instruction_is_named_once_with_its_causes_below(tmp_path):
    left = {"stamp": b"2024-01-01 10:00:00\n", "id": b"id 1b4e28ba-2fa1-11d2-883f-0016d3cca427\n", "n": b"17\n"}
    right = {"stamp": b"2024-01-02 10:00:00\n", "id": b"id 6fa459ea-ee8a-3ca4-894e-db77e160355e\n", "n": b"23\n"}
    text = render(comparison(tmp_path, list(left.items()), list(right.items())), "text")
    assert text.count("Dockerfile:3: RUN date > /stamp") == 1
    for cause in ("embedded-date", "embedded-uuid", "random-number"):
        assert text.count(f"  {cause}: 1 file;") == 1
    assert text.count("    remedy: ") == 3


def test_lines_in_another_order_are_told_without_a_diff(tmp_path):
    names = [f"name{n}\n" for n in range(60)]
    text = render(
        comparison(tmp_path, [("x", "".join(names).encode())], [("x", "".join(names[::-1]).encode())]), "text"
    )
    assert "line-order: 1 file" in text
    assert "name17" not in text


def test_the_text_of_images_that_have_little_in_common_is_bounded(tmp_path):
    paths = []
    for number in range(2):
        status = "".join(f"Package: p{n}-{number}\nStatus: install ok installed\nVersion: {n}\n\n" for n in range(300))
        tars = [layer([("var/lib/dpkg/status", status.encode())])]
        for depth in range(30):
            files = [(f"d{depth}/f{n}", f"{number}\n{n}\n".encode() * (n + 1)) for n in range(40)]
            files += [(f"d{depth}/stamp{n}", f"2024-01-0{number + 1} {n}\n".encode()) for n in range(20)]
            tars.append(layer(files))
        history = [{"created_by": f"RUN step {n}"} for n in range(len(tars))]
        paths.append(docker_archive(tmp_path / f"{number}.tar", tars, history))
    found = verify_archives(*paths)
    text = render(found, "text")
    assert len(text.splitlines()) < 300
    assert "... and 580 more" in text
    assert "more instructions (--format html or json shows all)" in text
    assert len(json.loads(render(found, "json"))["packages"]) == 600


def test_the_summary_counts_in_words_that_fit(tmp_path):
    text = render(comparison(tmp_path, [("a", b"red")], [("a", b"sky")]), "text")
    assert "2 files in 2 layers (1 of the layers the same): 1 file differs, 0 more only in" in text
    assert re.search(r"^\S+0\.tar  [0-9a-f]{12}$", text, re.MULTILINE)


def test_files_copied_from_a_stage_are_said_to_be_made_there(tmp_path):
    copied = InstructionPlace(3, "COPY", "COPY --from=build /x /x", "Dockerfile", "stage `build`, lines 2-4")
    history = [HISTORY[0], {"created_by": "COPY /x /x # buildkit"}]
    paths = []
    for number, data in enumerate((b"red", b"sky")):
        tars = [layer([("etc", folder())]), layer([("x", data)])]
        paths.append(docker_archive(tmp_path / f"{number}.tar", tars, history))
    found = verify_archives(*paths, [PLACES[0], copied])
    for style in FORMATS:
        assert "stage" in (text := render(found, style))
        assert re.search(r"lines 2\\?-4", text), style


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
