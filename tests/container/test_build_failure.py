from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_audit.container.build_failure import KINDS, diagnose
from repro_audit.source import Source
from repro_audit.syntax import dockerfile

TEXT = "FROM python:3.12 AS a\nENV X=1\nRUN pip install \\\n    numpy==1.0 \\\n    scipy\nRUN make\nCOPY a.txt /a\n"
TREE = dockerfile.parse(Source("Dockerfile", TEXT))
STEP = "Step 3/5 : RUN pip install     numpy==1.0     scipy\n ---> Running in 0123456789ab\n"

SAID = {
    "E: Version '7.88.1-10' for 'curl' was not found": "package-version-gone",
    "ERROR: Could not find a version that satisfies the requirement numpy==1.0 (from versions: 1.26.0, 2.0.0)": (
        "package-version-gone"
    ),
    "ERROR: Could not find a version that satisfies the requirement nmpy (from versions: none)": "package-not-found",
    "E: Unable to locate package curll": "package-not-found",
    "  curl-8.5.0-r0:\n    breaks: world[curl=8.4.0-r0]": "package-version-gone",
    "  curll (no such package):": "package-not-found",
    "E: Failed to fetch http://deb.example.org/pool/c/curl_7.deb  404  Not Found [IP: 1.2.3.4 80]": "package-version-gone",
    "npm ERR! notarget No matching version found for left-pad@9.9.9.": "package-version-gone",
    "Temporary failure resolving 'deb.debian.org'\nE: Unable to locate package curl": "network",
    "curl: (6) Could not resolve host: example.org": "network",
    "curl: (22) The requested URL returned error: 404": "file-not-found",
    "fatal: Authentication failed for 'https://github.com/x/y.git/'": "authentication",
    "ERROR: HTTP error 403 while getting https://x/y.whl": "authentication",
    "No space left on device": "disk-full",
    "g++: fatal error: Killed signal terminated program cc1plus": "out-of-memory",
    "x.c:1:10: fatal error: Python.h: No such file or directory": "compiler",
    "error: command 'gcc' failed: No such file or directory": "compiler",
    "make: *** [Makefile:3: all] Error 1": "compiler",
    "exec /bin/sh: exec format error": "wrong-architecture",
    "/bin/sh: 1: cmake: not found": "compiler",
    "/bin/sh: 1: wgett: not found": "program-not-found",
    "cat: /x: No such file or directory": "file-not-found",
    "touch: cannot touch '/etc/x': Permission denied": "permission",
    "assertion failed": "command-failed",
}


@pytest.mark.parametrize("said", SAID)
def test_what_a_step_said_tells_the_kind(said: str) -> None:
    failure = diagnose(f"{STEP}{said}\nThe command '/bin/sh -c pip install' returned a non-zero code: 1", TREE)
    assert failure.kind == SAID[said]
    assert (failure.line, failure.end_line) == (3, 5)
    assert any(line in said for line in failure.evidence if line)


def test_what_the_command_itself_says_is_no_sign() -> None:
    log = (
        '#5 [2/2] RUN echo no space left on device; exit 1\n#5 0.1 all is well\n#5 ERROR: process "/bin/sh -c '
        'echo no space left on device; exit 1" did not complete successfully: exit code: 1\n------\n'
        " > [2/2] RUN echo no space left on device; exit 1:\n0.1 all is well\n------\n"
        'ERROR: failed to build: failed to solve: process "/bin/sh -c echo no space left on device; exit 1" '
        "did not complete successfully: exit code: 1\n"
    )
    assert diagnose(log).kind == "command-failed"


def test_the_line_that_buildkit_names_is_taken() -> None:
    log = " > [a 2/3] RUN make:\n------\nDockerfile:6\n-----\n   5 |     x\n   6 | >>> RUN make\n-----\nERROR: exit code: 2\n"
    failure = diagnose(log, TREE)
    assert (failure.line, failure.step) == (6, "RUN make")


def test_buildah_names_the_step() -> None:
    log = 'STEP 4/5: COPY a.txt /a\nError: building at STEP "COPY a.txt /a": copier: stat: "/a.txt": no such file or directory'
    failure = diagnose(log, TREE)
    assert (failure.kind, failure.line) == ("file-not-found", 7)


@given(st.text(max_size=400))
def test_any_log_gives_an_answer(log: str) -> None:
    assert diagnose(log, TREE).kind in KINDS


def test_a_long_log_takes_no_time() -> None:
    log = STEP + ("Failed to fetch " + "a" * 3000 + "\n") * 2000
    assert diagnose(log, TREE).kind in KINDS
