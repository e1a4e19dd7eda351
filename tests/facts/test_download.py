from __future__ import annotations

import pytest

from repro_audit.facts import download
from repro_audit.facts.input import Download
from tests.facts.build import commands, written


def read(script: str, **variables: str) -> list[Download]:
    return [d for command in commands(script, variables=variables) for d in download.downloads(command)]


def told(script: str) -> list[tuple[str, str]]:
    return [(d.kind, str(d.pin.level)) for d in read(script)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("curl -fsSLO https://x.org/a-1.2.tgz", [("download", "perishable")]),
        ("curl -fsSL https://x.org/latest/a.tgz | tar xz", [("download", "floating")]),
        ("wget https://x.org/install.sh", [("download", "floating")]),
        ("curl -o a https://x.org/a-1.2 && echo 'h  a' | sha256sum -c -", [("download", "hashed")]),
        ("curl -o a https://x.org/a-1.2 && echo 'h  b.tgz' | sha256sum -c -", [("download", "perishable")]),
        ("wget https://x.org/a-1.2 && sha512sum -c sums.txt", [("download", "hashed")]),
        ("wget https://x.org/a-1.2.tgz && gpg --batch --verify a.asc a-1.2.tgz", [("download", "hashed")]),
        ("curl -I https://x.org; curl http://localhost:80; curl -X POST https://x.org; wget --spider https://x.org", []),
        ("git clone https://x.org/a.git", [("git", "floating")]),
        ("git clone -b v1.2 --depth 1 https://x.org/a.git", [("git", "perishable")]),
        ("git clone -b develop https://x.org/a.git", [("git", "floating")]),
        (f"git clone https://x.org/a.git && cd a && git checkout {'0a' * 20}", [("git", "hashed")]),
        (f"git clone https://x.org/a && git clone https://x.org/b && git -C b reset --hard {'0a' * 20}",
         [("git", "floating"), ("git", "hashed")]),
        (f"git init && git remote add origin https://x.org/a && git fetch --depth 1 origin {'0a' * 20}", [("git", "hashed")]),
        ("huggingface-cli download a/b", [("model", "floating")]),
        (f"hf download a/b --repo-type dataset --revision {'0a' * 20}", [("dataset", "hashed")]),
        ("ollama pull llama3 && gdown 1abc && python -m spacy download en_core_web_sm",
         [("model", "floating"), ("dataset", "perishable"), ("model", "floating")]),
        ("aws s3 cp s3://b/data.tar .", [("dataset", "floating")]),
    ],
)  # fmt: skip
def test_downloads_are_told_with_their_pins(script: str, expected: list[tuple[str, str]]) -> None:
    assert told(script) == expected


def test_python_code_is_read_for_models_and_data_sets() -> None:
    script = (
        "python3 -c \"from transformers import AutoModel as M; M.from_pretrained('bert-base'); "
        f"M.from_pretrained('a/b', revision='{'0a' * 20}'); import torch; torch.hub.load('o/n:v1.0', 'm'); "
        "M.from_pretrained('/models/x'); load_dataset('squad')\""
    )
    found = read(script)
    assert [(d.name, str(d.pin.level)) for d in found] == [
        ("bert-base", "floating"), ("a/b", "hashed"), ("o/n", "perishable"), ("squad", "floating"),
    ]  # fmt: skip
    assert script[found[0].span.start : found[0].span.end] == "'bert-base'"


def test_python_fed_by_a_heredoc_is_read_too() -> None:
    text = "python <<EOF\nfrom x import snapshot_download\nsnapshot_download('a/b')\nEOF\n"
    (command,) = commands(text)
    (found,) = download.downloads(command)
    assert (found.tool, written(command, found.span)) == ("snapshot_download", "'a/b'")


def test_a_model_under_a_cache_mount_is_noticed_wherever_the_cache_is() -> None:
    code = "python -c \"M.from_pretrained('a/b')\""
    (command,) = commands(code, cache_mounts=("/root/.cache/huggingface",))
    assert download.downloads(command)[0].cache_mount == "/root/.cache/huggingface"
    (command,) = commands(code, cache_mounts=("/root/.cache/huggingface",), variables={"HF_HOME": "/models"})
    assert download.downloads(command)[0].cache_mount is None
    (command,) = commands(code, cache_mounts=("/home/me/.cache",), user="me")
    assert download.downloads(command)[0].cache_mount == "/home/me/.cache"


def test_variables_in_an_address_are_filled_in() -> None:
    (found,) = read("V=1.2 && curl -LO https://x.org/a-${V}.tgz")
    assert found.url == "https://x.org/a-1.2.tgz"
