from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import Daemon, Rig, busybox_layer, free_port, program

EVERY = ("docker", "docker-buildkit", "moby", "buildx", "podman", "buildah")
every_engine = pytest.mark.parametrize("rig", EVERY, indirect=True)
with_secrets = pytest.mark.parametrize("rig", EVERY[1:], indirect=True)


@every_engine
def test_an_image_is_built_and_the_engine_is_named(rig: Rig, write) -> None:
    project = write({"Dockerfile": f"FROM {rig.base}\nARG GREETING\nRUN echo $GREETING > /said\n"})
    done = rig.run("build", str(project), "--build-arg", "GREETING=hello", check=0)
    assert f"using {rig.engine}" in done.stderr
    assert rig.builder in done.stderr
    assert done.stdout.startswith("built ")


@pytest.mark.parametrize("rig", ["docker", "docker-buildkit", "podman", "buildah"], indirect=True)
def test_an_image_gets_the_tag_asked_for(rig: Rig, write) -> None:
    project = write({"Dockerfile": f"FROM {rig.base}\nCOPY a /a\n", "a": "1"})
    rig.run("build", str(project), "--tag", f"localhost/tagged-{rig.name}:7", check=0)
    assert f"tagged-{rig.name}" in rig.ask("images")
    rig.ask("rmi", f"localhost/tagged-{rig.name}:7")


@every_engine
def test_the_stage_asked_for_is_built_and_no_other(rig: Rig, write) -> None:
    project = write({"Dockerfile": f"FROM {rig.base} AS one\nRUN echo 1\nFROM one AS two\nRUN false\n"})
    rig.run("build", str(project), "--target", "one", check=0)
    rig.run("build", str(project), "--target", "two", check=1)


FAILURES = {
    "file-not-found": ("RUN true && \\\n    cat /nothing/here\n", 2, "/nothing/here"),
    "copy": ("COPY nowhere.txt /x\n", 2, "nowhere.txt"),
    "syntax": ("RUNN true\n", 2, "RUNN"),
    "program-not-found": ("ENV A=1\nRUN no-such-program --now\n", 3, "no-such-program"),
    "command-failed": ("ENV A=1\nRUN echo said before it fails; exit 3\n", 3, "said before it fails"),
    "wrong-architecture": ('COPY foreign /foreign\nRUN ["/foreign"]\n', 3, "format error"),
    "out-of-memory": ("RUN exit 137\n", 2, "137"),
    "disk-full": ("RUN cat /etc/passwd > /dev/full\n", 2, "space left"),
}


@every_engine
@pytest.mark.parametrize("case", sorted(FAILURES))
def test_a_failed_build_is_diagnosed_with_its_line(rig: Rig, write, case: str) -> None:
    text, line, shown = FAILURES[case]
    foreign = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + (21).to_bytes(2, "little") + bytes(44)
    project = write({"Dockerfile": f"FROM {rig.base}\n{text}", "foreign": foreign})
    os.chmod(project / "foreign", 0o755)
    done = rig.run("build", str(project), check=1)
    kind = {"copy": "file-not-found"}.get(case, case)
    assert f"Dockerfile:{line}: {kind}:" in done.stdout, done.stdout + done.stderr[-1500:]
    assert shown in done.stdout
    # of a command that failed on its own terms there is nothing to advise
    assert ("remedy" in done.stdout) is (case != "command-failed")


# one engine for each way to write a log
each_log = pytest.mark.parametrize("rig", ["docker", "docker-buildkit", "buildx", "podman"], indirect=True)
MORE_FAILURES = {
    "image-not-found": ("FROM {base} AS a\nRUN true\nFROM {gone}\nCOPY --from=a /etc/passwd /x\n", 3, ":gone"),
    "network": ("FROM {base}\nENV A=1\nADD http://127.0.0.1:9/data.tar /x\n", 3, "refused"),
    "file-not-found": ("FROM {base}\nCOPY run.sh /run.sh\nRUN /run.sh\n", 3, "line endings"),
    "permission": ("FROM {base}\nUSER nobody-here\nRUN true\n", 3, "a user or group does not exist"),
    "command-failed": ("FROM {base} AS a\nRUN test ! -f /x\nFROM {base}\nRUN touch /x\nRUN test ! -f /x\n", 5, "1"),
}


@each_log
@pytest.mark.parametrize("case", sorted(MORE_FAILURES))
def test_a_failure_is_told_from_those_that_look_like_it(rig: Rig, write, case: str) -> None:
    text, line, shown = MORE_FAILURES[case]
    text = text.format(base=rig.base, gone=rig.base.rpartition(":")[0] + ":gone")
    project = write({"Dockerfile": text, "run.sh": "#!/bin/sh\r\necho hi\r\n"})
    os.chmod(project / "run.sh", 0o755)
    done = rig.run("build", str(project), check=1)
    assert f"Dockerfile:{line}: {case}:" in done.stdout, done.stdout + done.stderr[-1500:]
    assert shown in done.stdout


@pytest.fixture(scope="session")
def locked(state: Path) -> Iterator[str]:
    """A registry that wants a name and a password."""
    port = free_port()
    (state / "htpasswd").write_text("me:$2a$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC\n")
    (state / "locked.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {state}/locked}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\nauth: {{htpasswd: {{realm: here, path: {state}/htpasswd}}}}\n"
    )
    serve = program("registry", "docker-registry", "registry")
    daemon = Daemon(state / "locked.log", serve, "serve", str(state / "locked.yml"))
    daemon.wait_for(lambda: answers(port), "a registry with a password", "registry")
    yield f"127.0.0.1:{port}"
    daemon.stop()


def answers(port: int) -> bool:
    with socket.socket() as talk:
        return talk.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("rig", ["docker", "docker-buildkit", "buildx"], indirect=True)
def test_a_registry_that_refuses_is_told_from_an_image_that_is_gone(rig: Rig, locked: str, write) -> None:
    done = rig.run("build", str(write({"Dockerfile": f"# first\nFROM {locked}/mine:1\nRUN true\n"})), check=1)
    assert "Dockerfile:2: authentication:" in done.stdout, done.stdout + done.stderr[-1500:]


@each_log
def test_a_trigger_of_the_base_image_is_led_back_to_from(rig: Rig, registry, write) -> None:
    base = registry.push("triggers:1", busybox_layer(), OnBuild=["RUN ls /from-a-trigger"])
    done = rig.run("build", str(write({"Dockerfile": f"# first\nFROM {base}\nRUN true\n"})), check=1)
    assert "Dockerfile:2: file-not-found:" in done.stdout, done.stdout + done.stderr[-1500:]
    assert "/from-a-trigger" in done.stdout


@pytest.mark.parametrize("rig", ["docker", "buildx"], indirect=True)
def test_the_line_of_a_long_instruction_that_failed_is_shown(rig: Rig, write) -> None:
    text = f"FROM {rig.base}\nRUN echo one && \\\n    echo two && \\\n    ls /nothing/here && \\\n    echo three\n"
    done = rig.run("build", str(write({"Dockerfile": text})), check=1)
    assert "Dockerfile:2: file-not-found:" in done.stdout
    assert "in its line 4: ls /nothing/here &&" in done.stdout


@with_secrets
def test_the_value_of_a_secret_never_shows(rig: Rig, write) -> None:
    project = write(
        {
            "Dockerfile": f"# syntax is built in\nFROM {rig.base}\nARG API_TOKEN\n"
            "RUN --mount=type=secret,id=login cat /run/secrets/login; echo token $API_TOKEN; test -s /run/secrets/login\n",
            "login.txt": "hunter2-and-more\n",
        }
    )
    done = rig.run(
        "build",
        str(project),
        f"--secret=id=login,src={project}/login.txt",
        "--build-arg=API_TOKEN=tok-123456789",
        "--no-cache",
        check=0,
    )
    for value in ("hunter2-and-more", "tok-123456789"):
        assert value not in done.stdout + done.stderr
    assert "***" in done.stderr


@every_engine
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_stops_and_leaves_nothing_behind(
    rig: Rig, write, tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
) -> None:
    mark = f"3{os.getpid() % 1000:03d}{number}"
    rig.run("build", str(write({"Dockerfile": f"FROM {rig.base}\n"})), check=0)  # the base image stays
    project = write({"Dockerfile": f"FROM {rig.base}\nRUN echo {mark} > /a\nRUN echo it began && sleep {mark}\n"})
    before = rig.leftovers() if rig.name != "buildx" else set()
    rig.env["TMPDIR"] = str(tmp_path_factory.mktemp("room"))
    child = rig.popen("build", str(project), "--no-cache")
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip().endswith("it began") and "RUN" not in line:
            break
    child.send_signal(number)
    child.communicate(timeout=60)
    assert child.returncode == 130
    until = time.monotonic() + 15
    while time.monotonic() < until and _runs(f"sleep {mark}"):
        time.sleep(0.3)
    assert not _runs(f"sleep {mark}")
    assert os.listdir(rig.env["TMPDIR"]) == []
    left = rig.leftovers() - before if rig.name != "buildx" else set()
    assert left == set()


@pytest.mark.parametrize("rig", ["docker", "podman", "buildah"], indirect=True)
def test_a_verification_whose_build_fails_leaves_no_images_behind(rig: Rig, write) -> None:
    rig.run("build", str(write({"Dockerfile": f"FROM {rig.base}\n"})), check=0)  # the base image stays
    before = rig.leftovers()
    project = write({"Dockerfile": f"FROM {rig.base}\nRUN echo {os.getpid()} > /a\nRUN ls /nothing/here\n"})
    done = rig.run("verify", str(project), check=2)
    assert "Dockerfile:3: file-not-found:" in done.stderr
    assert rig.leftovers() - before == set()


def _runs(words: str) -> bool:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return any(line.strip() == words for line in listed.splitlines())


def test_without_an_engine_the_status_is_two_and_every_engine_is_named(environment, state, write) -> None:
    rig = Rig("none", "auto", environment | {"PATH": "/nonexistent"}, "busy:1")
    done = rig.run("build", str(write({"Dockerfile": "FROM scratch\n"})), check=2)
    *tried, verdict = done.stderr.splitlines()
    for name, line in zip(("buildx", "docker", "podman", "buildah"), tried, strict=True):
        assert line.startswith(f"repro-audit: {name}: ")
        assert "install" in line
    assert "no container engine works here" in verdict


@pytest.mark.parametrize("rig", ["podman"], indirect=True)
def test_a_docker_that_was_pointed_to_and_does_not_answer_is_named_before_the_engine_taken(rig: Rig, write) -> None:
    rig.env, rig.engine = rig.env | {"DOCKER_HOST": "unix:///nope.sock"}, "auto"
    done = rig.run("build", str(write({"Dockerfile": "FROM scratch\nCOPY a /a\n", "a": "1"})), check=0)
    first, second, *_ = done.stderr.splitlines()
    assert "not using docker at unix:///nope.sock (DOCKER_HOST): " in first
    assert "using podman" in second


@pytest.mark.parametrize("rig", ["podman"], indirect=True)
def test_a_compose_service_says_what_to_build(rig: Rig, write) -> None:
    project = write(
        {
            "compose.yaml": "services:\n  lab:\n    build:\n      context: lab\n      dockerfile: Lab.dockerfile\n"
            "      target: small\n      args:\n        WORD: from-compose\n",
            "lab/Lab.dockerfile": f"FROM {rig.base} AS small\nARG WORD\nRUN echo the word is $WORD\nFROM small\nRUN false\n",
        }
    )
    done = rig.run("build", str(project), "--service", "lab", check=0)
    assert "the word is from-compose" in done.stderr


@pytest.mark.parametrize("rig", ["podman"], indirect=True)
def test_a_record_counts_as_long_as_the_further_contexts_stay(rig: Rig, write, tmp_path) -> None:
    build = "    build: {context: lab, additional_contexts: {other: ./other}}\n"
    within = "    build: {context: lab, dockerfile_inline: FROM scratch}\n"
    project = write(
        {
            "compose.yaml": f"services:\n  lab:\n{build}  within:\n{within}",
            "lab/Dockerfile": "FROM scratch\nCOPY --from=other x /x\n",
            "other/x": "1",
        }
    )
    record = f"--record={project}/lab/verify.json"
    rig.run("verify", str(project), "--service", "lab", record, check=0)

    def level() -> str:
        words = [sys.executable, "-m", "repro_audit", "check", record, str(project)]
        told = subprocess.run(words, capture_output=True, text=True, env=rig.env).stdout
        return next(line for line in told.splitlines() if "level" in line and " of 4" in line)[:26]

    assert level() in ("Reproducibility level 3 of", "Reproducibility level 4 of")
    (project / "other" / "x").write_text("2")
    assert level() == "Reproducibility level 2 of"
    assert "is none of its own" in rig.run("verify", str(project), "--service", "within", record, check=2).stderr


@pytest.mark.parametrize("rig", ["moby", "buildx", "podman", "buildah"], indirect=True)
def test_a_service_is_built_with_its_secrets_contexts_and_a_dockerfile_within(rig: Rig, write) -> None:
    project = write(
        {
            "project/compose.yaml": f"""services:
  lab:
    build:
      context: ../lab
      additional_contexts:
        other: ../other
        base: docker-image://{rig.base}
      secrets: [word, {{source: word, target: again}}]
      args: {{GREETING: "${{WHO}}"}}
      labels: {{a: b}}
      dockerfile_inline: |
        FROM base
        ARG GREETING
        COPY --from=other from-elsewhere mine /
        RUN --mount=type=secret,id=word --mount=type=secret,id=again \\
            cmp /run/secrets/word /run/secrets/again && grep hush /run/secrets/word && echo "hello $$GREETING"
        RUN cat /from-elsewhere /missing
secrets:
  word: {{file: word.txt}}
""",
            "project/word.txt": "hush-hush\n",
            "lab/mine": "",
            "other/from-elsewhere": "brought along\n",
            "other/mine": "",
        }
    )
    rig.env = rig.env | {"WHO": "you"}
    done = rig.run("build", str(project / "project"), "--service", "lab", "--no-cache", check=1)
    assert "hello you" in done.stderr, done.stderr
    assert "brought along" in done.stderr
    assert "hush-hush" not in done.stderr
    assert "not taken over from the build of the service lab: labels\n" in done.stderr
    assert "compose.yaml, dockerfile_inline of lab:6: file-not-found" in done.stdout


@pytest.mark.parametrize("rig", ["docker"], indirect=True)
def test_an_engine_without_further_contexts_says_so(rig: Rig, write) -> None:
    project = write({"Dockerfile": "FROM other\n", "lab/a": ""})
    done = rig.run("build", str(project), "--build-context", f"other={project}/lab", check=2)
    assert "knows no further build contexts" in done.stderr


@pytest.mark.parametrize("rig", ["docker", "podman"], indirect=True)
@pytest.mark.parametrize(
    "words", [["--target=--privileged"], ["--tag=-v/:/x"], ["--platform=a,b"], ["--build-arg=-x=1"]]
)
def test_nothing_given_can_become_an_option_of_the_engine(rig: Rig, write, words: list[str]) -> None:
    done = rig.run("build", str(write({"Dockerfile": f"FROM {rig.base}\n"})), *words, check=2)
    assert "is no valid" in done.stderr


PACKAGES = {
    "package-version-gone": "apt-get install -y hello=0.1-gone",
    "package-not-found": "apt-get install -y no-such-package-as-this",
    "network": "apt-get -o Acquire::Retries=0 -o Acquire::http::Proxy=http://127.0.0.1:9 install -y hello",
    "compiler": "echo 'x.c:1:10: fatal error: y.h: No such file or directory'; exit 1",
    "permission": "setpriv --reuid 1000 --clear-groups touch /etc/x",
}


@pytest.mark.parametrize("case", sorted(PACKAGES))
def test_a_package_manager_that_fails_is_diagnosed_with_the_rule_that_foresaw_it(
    rig_of, debian, write, case: str
) -> None:
    rig = rig_of("buildx")
    project = write({"Dockerfile": f"FROM {debian}\nRUN apt-get update\nRUN {PACKAGES[case]}\n"})
    done = rig.run("build", str(project), check=1)
    assert f"Dockerfile:3: {case}:" in done.stdout, done.stdout + done.stderr[-1500:]
    if case == "package-version-gone":
        assert "foreseen by" in done.stdout
