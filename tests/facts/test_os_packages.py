from __future__ import annotations

import pytest

from repro_audit.facts import dockerfile as dockerfile_facts
from repro_audit.facts import os_packages
from repro_audit.facts.input import Package
from repro_audit.facts.pin import Level
from repro_audit.source import Source
from repro_audit.syntax import dockerfile
from tests.facts.build import commands, written


def read(script: str, *, snapshot: bool = False, **variables: str) -> list[Package]:
    found = commands(script, variables=variables)
    return [p for command in found for p in os_packages.packages(command, snapshot=snapshot)]


def told(script: str, **variables: str) -> list[tuple[str, str, str]]:
    return [(p.name, p.specifier, str(p.pin.level)) for p in read(script, **variables)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("apt-get update && apt-get -y install --no-install-recommends -t bookworm -o A=b curl git=1:2.3-1",
         [("curl", "", "floating"), ("git", "=1:2.3-1", "perishable")]),
        ("apt install ./a.deb foo/bookworm-backports foo:arm64 gcc- foo=1.*",
         [("./a.deb", "", "local"), ("foo", "/bookworm-backports", "floating"), ("foo:arm64", "", "floating"),
          ("foo", "=1.*", "ranged")]),
        ("apk add --no-cache --virtual .deps 'a<2' b~=1.2 c=1.2-r3 !d e@edge",
         [("a", "<2", "ranged"), ("b", "~=1.2", "ranged"), ("c", "=1.2-r3", "perishable"), ("e", "@edge", "floating")]),
        ("yum install -y curl-7.61.1-33.el8 java-1.8.0-openjdk cuda-toolkit-12-1 --enablerepo x",
         [("curl", "-7.61.1-33.el8", "perishable"), ("java-1.8.0-openjdk", "", "floating"),
          ("cuda-toolkit-12-1", "", "floating")]),
        ("zypper -n in -r repo a b=2", [("a", "", "floating"), ("b", "=2", "perishable")]),
        ("pacman -Syu --noconfirm git && pacman -Scc", [("git", "", "floating")]),
        ("apt-get remove curl && apt-get update", []),
        ("apt-get install -y php-{cli,fpm}", [("php-cli", "", "floating"), ("php-fpm", "", "floating")]),
    ],
)  # fmt: skip
def test_packages_are_told_with_their_versions(script: str, expected: list[tuple[str, str, str]]) -> None:
    assert told(script) == expected


def test_a_known_variable_is_split_into_its_packages_and_an_unknown_one_says_so() -> None:
    assert [name for name, _, _ in told("apk add $DEPS", DEPS="a b=1")] == ["a", "b"]
    (package,) = read("apk add $DEPS")
    assert (package.name, package.pin.level) == ("$DEPS", Level.FLOATING)
    assert "unknown" in package.pin.reason


def test_a_version_from_a_variable_counts_as_a_version() -> None:
    assert told("apt-get install -y foo=${FOO_VERSION}") == [("foo", "=${FOO_VERSION}", "perishable")]


def test_a_dated_archive_holds_what_it_serves() -> None:
    assert {p.pin.level for p in read("apt-get install -y curl git=1", snapshot=True)} == {Level.IMMUTABLE}


def test_spans_lead_to_the_version_that_a_fix_would_edit() -> None:
    (command,) = commands('apt-get install -y "curl=7.1" ')
    (package,) = os_packages.packages(command)
    assert written(command, package.span) == '"curl=7.1"'
    (command,) = commands("apt-get install -y curl=7.1")
    (package,) = os_packages.packages(command)
    assert (written(command, package.spec_span), package.version) == ("=7.1", "7.1")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("RUN echo 'deb http://snapshot.debian.org/archive/debian/20240101T000000Z bookworm main' > /etc/x", True),
        ("RUN cat <<EOF > /etc/x\ndeb http://snapshot.ubuntu.com/ubuntu/20240101T000000Z noble main\nEOF", True),
        ("RUN apt-get update", False),
    ],
)
def test_a_stage_knows_whether_its_archive_is_a_dated_one(line: str, expected: bool) -> None:
    source = Source("Dockerfile", f"FROM debian AS a\n{line}\nFROM a\nRUN apt-get install -y curl\n")
    stages = dockerfile_facts.read(source, dockerfile.parse(source)).stages
    assert os_packages.snapshots(stages) == ({0, 1} if expected else set())
