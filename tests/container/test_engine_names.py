from __future__ import annotations

import base64
import html
import json
import re
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_audit.container import engine_names as names
from repro_audit.container.engine_docker import run_words
from repro_audit.container.engine_error import EngineError
from repro_audit.container.engine_request import BuildRequest, RunRequest, Secret
from repro_audit.container.engine_secrets import HIDDEN, Redactor, looks_secret

CHECKS = (
    names.is_reference,
    names.is_image,
    names.is_target,
    names.is_platform,
    names.is_argument,
    names.is_secret_id,
    names.is_gpus,
    names.is_plain,
)


@given(st.text(max_size=80))
def test_nothing_that_is_let_through_can_be_an_option_or_more_than_one_word(text: str) -> None:
    for check in CHECKS:
        if check(text):
            assert not text.startswith("-")
            assert not any(c.isspace() or c in "\0\"'`$;|&<>\\" for c in text)


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "ghcr.io/a/b:1.2",
        "localhost:5000/x@sha256:" + "a" * 64,
        "sha256:" + "0" * 64,
        "0123456789ab",
        "[::1]:5/x",
    ],
)
def test_names_of_images_are_known(image: str) -> None:
    assert names.is_image(image)


@pytest.mark.parametrize("image", ["", "-v", "a b", "UPPER", "x:", "x@sha256:12", "../x", "x;y", "a" * 600])
def test_what_is_no_name_of_an_image_is_refused(image: str) -> None:
    assert not names.is_image(image)


def test_a_long_name_takes_no_time_to_refuse() -> None:
    assert not names.is_image("a-" * 250 + "!")
    assert not names.is_image("a." * 250 + "!")


@given(
    st.lists(st.text(min_size=1, max_size=20).filter(lambda t: "\0" not in t and "\r" not in t), min_size=1, max_size=4)
)
def test_fields_are_read_back_as_csv(parts: list[str]) -> None:
    import csv
    import io

    assert next(csv.reader(io.StringIO(names.fields(*parts), newline=""))) == parts


@pytest.mark.parametrize(
    "request_",
    [
        RunRequest("x", gpus="all --privileged"),
        RunRequest("--privileged"),
        RunRequest("x", runtime="-v"),
        RunRequest("x", network="host --pid=host"),
        RunRequest("x", env=(("-v", "1"),)),
        RunRequest("x", devices=("-x",)),
    ],
)
def test_a_container_cannot_be_asked_for_with_hidden_options(request_: RunRequest) -> None:
    with pytest.raises(EngineError):
        request_.checked()


def test_several_gpus_reach_docker_in_one_field() -> None:
    words, _ = run_words(RunRequest("x", gpus="device=0,1", gpu_capabilities=("compute",)), "n")
    assert '--gpus="device=0,1","capabilities=gpu,compute"' in words
    words, _ = run_words(RunRequest("x", gpus="device=0,1", cdi=True), "n")
    assert "--device=nvidia.com/gpu=0" in words
    assert "--device=nvidia.com/gpu=1" in words


def test_a_container_sees_no_network_and_writes_nowhere_unless_asked() -> None:
    words, _ = run_words(RunRequest("x", argv=("-c", "true")), "n")
    assert {"--network=none", "--read-only", "--rm"} <= set(words)
    assert words[words.index("x") :] == ["x", "-c", "true"]


@pytest.mark.parametrize(
    "name", ["GITHUB_TOKEN", "api_key", "DB_PASSWORD", "pip-secret", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"]
)
def test_names_of_secrets_are_recognised(name: str) -> None:
    assert looks_secret(name, "x")


@pytest.mark.parametrize(
    ("name", "value"), [("VERSION", "1.2"), ("KEYBOARD", "us"), ("PYTHON", "3.12"), ("URL", "https://a/b")]
)
def test_other_arguments_are_shown(name: str, value: str) -> None:
    assert not looks_secret(name, value)


def test_a_password_in_an_address_is_a_secret() -> None:
    assert looks_secret("INDEX", "https://user:pass1@host/simple")
    assert "pass1" not in Redactor().text("fetching https://user:pass1@host/simple")


@given(
    st.text(min_size=4, max_size=40).filter(lambda t: len(t.strip()) >= 4), st.text(max_size=40), st.text(max_size=40)
)
def test_a_secret_is_taken_out_wherever_it_stands(value: str, before: str, after: str) -> None:
    shown = Redactor([value]).text(before + value + after)
    assert HIDDEN in shown
    assert value.strip() not in shown.replace(HIDDEN, "") or value.strip() in before + after


def test_each_line_of_a_secret_file_is_taken_out() -> None:
    redactor = Redactor(["user = me\npassword = hunter22\n"])
    assert "hunter22" not in redactor.text("echo: password = hunter22")


WRITTEN = {
    "base64 after something": lambda v: base64.b64encode(b"user:" + v.encode() + b"\n").decode(),
    "base64 before something": lambda v: base64.b64encode(v.encode() + b":more of it").decode(),
    "base64 in the middle": lambda v: base64.b64encode(b"Basic me:" + v.encode() + b"; and more").decode(),
    "base64 for a URL": lambda v: base64.urlsafe_b64encode(v.encode()).decode(),
    "a URL": lambda v: quote(v, safe=""),
    "a URL in small letters": lambda v: re.sub("%..", lambda m: m[0].lower(), quote(v, safe="")),
    "a form": quote_plus,
    "JSON": lambda v: json.dumps({"a": v}),
    "HTML": html.escape,
    "a shell": shlex.quote,
    "hexadecimal": lambda v: v.encode().hex(),
}


@pytest.mark.parametrize("form", sorted(WRITTEN))
@pytest.mark.parametrize("value", ["hunter22&more", "pa ss/wörd's+1", "tok-123456789"])
def test_a_secret_is_taken_out_however_it_is_written(value: str, form: str) -> None:
    written = WRITTEN[form](value)
    shown = Redactor([value]).text(f"it says: {written} and goes on")
    assert HIDDEN in shown
    kept = max(re.split(r"\*\*\*", shown), key=len)
    assert not any(written[at : at + 9] in kept for at in range(len(written) - 8) if form.startswith("hex"))
    if form.startswith("base64"):
        code = shown.partition("says: ")[2].partition(" and")[0].replace("-", "+").replace("_", "/")
        for piece in code.replace("=", "").split(HIDDEN):
            for start in range(4):
                whole = piece[start:]
                left = base64.b64decode(whole[: len(whole) // 4 * 4])
                assert not any(value.encode()[at : at + 5] in left for at in range(len(value) - 4))


def test_the_value_behind_a_name_in_a_secret_file_is_taken_out() -> None:
    for text in ("//host/:_authToken=npm-hunter22", '{"auth": "npm-hunter22"}', "machine h\npassword: 'npm-hunter22'"):
        assert Redactor([text]).text("got npm-hunter22") == "got ***"


def test_a_long_secret_is_taken_out_of_base64_in_lines() -> None:
    key = "\n".join(f"line {n} of a key that is long enough" for n in range(30))
    coded = base64.encodebytes(key.encode()).decode()
    shown = "\n".join(map(Redactor([key]).text, coded.splitlines()))
    assert set(shown.splitlines()[:-1]) == {HIDDEN}


def test_words_that_only_end_like_a_token_are_shown() -> None:
    text = "Setting up disk-encryption-tools-and-more-1; task-scheduler-of-the-desktop2 xghp_" + "a" * 30
    assert Redactor().text(text) == text
    assert Redactor().text("sk-abcdefgh12345678ABCD") == HIDDEN


def test_a_large_secret_takes_time_in_proportion(linear) -> None:
    def redacted(size: int) -> None:
        redactor = Redactor(["\n".join(f"key{n}=value-number-{n}" for n in range(size))])
        assert redactor.text("value-number-77 x") == "*** x"

    linear(redacted, 5_000)


def test_secret_arguments_stay_out_of_the_list_of_processes() -> None:
    request = BuildRequest(
        ".", "Dockerfile", args=(("API_TOKEN", "tok-1234"), ("VERSION", "1"), ("DOCKER_TOKEN", "abcd"))
    )
    words, variables = request.options()
    assert words[1:] == ["--build-arg=API_TOKEN", "--build-arg=VERSION=1", "--build-arg=DOCKER_TOKEN=abcd"]
    assert variables == {"API_TOKEN": "tok-1234"}


def test_a_secret_with_odd_characters_in_its_path_stays_one_field(tmp_path) -> None:
    file = tmp_path / 'a,src="x"'
    request = BuildRequest(".", "Dockerfile", secrets=(Secret("id", str(file)),))
    assert request.options()[0][1:] == [f'--secret=id=id,"src={str(file).replace(chr(34), chr(34) * 2)}"']


@pytest.mark.parametrize(
    "change", [{"target": "--x"}, {"platform": "linux/amd64,linux/arm64"}, {"tag": "-t"}, {"args": (("a b", "1"),)}]
)
def test_a_build_cannot_be_asked_for_with_hidden_options(write, change: dict) -> None:
    project = write({"Dockerfile": "FROM scratch\n"})
    with pytest.raises(EngineError, match="is no valid"):
        BuildRequest(str(project), str(project / "Dockerfile"), **change).checked()
