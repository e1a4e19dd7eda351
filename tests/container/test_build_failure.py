from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro_audit.container.build_failure import diagnose
from repro_audit.container.failure_kind import KINDS
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
    # what only looks like a network code in capitals
    "ModuleNotFoundError: No module named 'numpy'": "program-not-found",
    "FileNotFoundError: [Errno 2] No such file or directory: '/x'": "file-not-found",
    "AssertionError: MemoryError not raised": "command-failed",
    "MemoryError": "out-of-memory",
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory": "out-of-memory",
    "/foreign: line 1: ELF: not found": "wrong-architecture",
    "Illegal instruction (core dumped)": "wrong-architecture",
    "/bin/sh: 1: Syntax error: Unterminated quoted string": "syntax",
    "/bin/bash: -c: line 1: syntax error: unexpected end of file": "syntax",
    "./build.sh: line 3: syntax error near unexpected token `fi'": "command-failed",
    "/usr/bin/env: 'bash\\r': No such file or directory": "syntax",
    "curl: (60) SSL certificate problem: self signed certificate": "network",
    "W: GPG error: http://deb.example.org stable InRelease: NO_PUBKEY 0E98404D386FA1D9": "authentication",
    "npm error code ERESOLVE": "package-version-gone",
    "npm error code E404": "package-not-found",
    "npm error 404 Not Found - GET https://registry.example.org/nope": "package-not-found",
    "go: example.org/x@v9.9.9: invalid version: unknown revision v9.9.9": "package-version-gone",
    "./main.go:4:2: undefined: fmt.Prinln": "compiler",
    "error[E0425]: cannot find value `x` in this scope": "compiler",
    'error: failed to select a version for the requirement `serde = "=99.0.0"`': "package-version-gone",
    "PackagesNotFoundError: The following packages are not available:\n  - nope": "package-not-found",
    "PackagesNotFoundError: The following packages are not available:\n  - numpy==99": "package-version-gone",
    "make: *** No rule to make target 'x'.  Stop.": "file-not-found",
    "E: The repository 'http://deb.example.org buster Release' does not have a Release file.": "package-version-gone",
    "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.": "package-version-gone",
    "toomanyrequests: You have reached your pull rate limit.": "network",
    "error: unknown flag: --foo": "command-failed",
    "/usr/bin/env: 'python': No such file or directory": "program-not-found",
    "FileNotFoundError: [Errno 2] No such file or directory: 'git'": "program-not-found",
    "FileNotFoundError: [Errno 2] No such file or directory: 'x.txt'\nerror: subprocess-exited-with-error": "file-not-found",
    "node: error while loading shared libraries: libx.so.7: cannot open shared object file: No such file or directory": (
        "program-not-found"
    ),
    "/bin/sh: 1: -y: not found": "syntax",
    "/bin/sh: 1: Bad substitution": "syntax",
    "./run.sh: 2: set: Illegal option -": "syntax",
    '/usr/bin/tool: line 1: syntax error: unexpected word (expecting ")")': "wrong-architecture",
    "gzip: stdin: not in gzip format\ntar: Child returned status 1": "file-not-found",
    "go: go.mod requires go >= 1.24.0 (running go 1.23.8; GOTOOLCHAIN=local)\nmake: *** [x] Error 1": (
        "package-version-gone"
    ),
    'error x@1.0.0: The engine "node" is incompatible with this module. Expected version ">=18". Got "12"': (
        "package-version-gone"
    ),
    "npm WARN EBADENGINE Unsupported engine {\nassertion failed": "command-failed",
    "./errors.go:401:3: undefined: x": "compiler",
    "=== 3 failed, 10 passed in 4.20s ===": "command-failed",
    "cp: cannot stat 'x': No such file or directory\nmake: *** [Makefile:3: all] Error 1": "file-not-found",
    "/usr/lib/python3/x.py: Task 'x' not found in the project": "command-failed",
    "[ERROR] Could not find artifact org.example:x:jar:1.0 in central (https://example.org)": "package-version-gone",
    "Could not transfer artifact org.example:x:jar:1.0 from/to central (https://example.org): Transfer failed": "network",
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


def recorded() -> list[tuple[str, tuple[str, ...], str]]:
    """Logs that people put into issues: where, the kinds that are right, the log."""
    text = (Path(__file__).parent / "recorded_failures.txt").read_text(encoding="utf-8")
    found = []
    for block in text.split("\n=== ")[1:]:
        head, _, log = block.partition("\n")
        *kinds, where = head.split()
        found.append((where, tuple(kinds), log))
    return found


@pytest.mark.parametrize(("where", "kinds", "log"), recorded(), ids=lambda value: value if "#" in value else "")
def test_a_log_of_somebody_who_asked_for_help_is_understood(where: str, kinds: tuple[str, ...], log: str) -> None:
    assert diagnose(log).kind in kinds, where


def test_the_line_within_a_long_instruction_is_told_by_its_words() -> None:
    text = "FROM a\nRUN echo one && \\\n    # why\n    cat /nothing/here && \\\n    echo two\n"
    log = (
        "Step 2/2 : RUN echo one &&     cat /nothing/here &&     echo two\n ---> Running in 0123456789ab\none\n"
        "cat: /nothing/here: No such file or directory\n"
    )
    failure = diagnose(log, dockerfile.parse(Source("Dockerfile", text)))
    assert (failure.line, failure.end_line, failure.at) == (2, 5, 4)


def test_a_trace_of_the_shell_tells_the_line_where_nothing_was_said() -> None:
    text = "FROM a\nRUN set -ex; \\\n    mkdir /x; \\\n    test -f /y; \\\n    echo two\n"
    log = "Step 2/2 : RUN set -ex;     mkdir /x;     test -f /y;     echo two\n+ mkdir /x\n+ test -f /y\n"
    log += "The command '/bin/sh -c set -ex;     mkdir /x' returned a non-zero code: 1\n"
    failure = diagnose(log, dockerfile.parse(Source("Dockerfile", text)))
    assert (failure.kind, failure.at) == ("command-failed", 4)


def test_of_equal_instructions_the_one_that_failed_is_named() -> None:
    text = "FROM x AS a\nRUN make\nFROM x AS b\nRUN true\nRUN make\n"
    tree = dockerfile.parse(Source("Dockerfile", text))
    assert diagnose("Step 2/5 : RUN make\nboom\n", tree).line == 2
    assert diagnose("Step 5/5 : RUN make\nboom\n", tree).line == 5
    assert diagnose("[2/2] STEP 3/3: RUN make\nboom\n", tree).line == 5
    assert diagnose("#7 [b 3/3] RUN make\n#7 0.1 boom\n------\n > [b 3/3] RUN make:\n------\n", tree).line == 5


def test_what_a_parallel_stage_says_is_no_sign() -> None:
    log = (
        "#7 [a 2/2] RUN one\n#8 [b 2/2] RUN two\n#7 0.1 no space left on device\n#8 0.2 cat: /x: No such file or directory\n"
        '#7 0.3 no space left on device\n#8 ERROR: process "/bin/sh -c two" did not complete successfully: exit code: 1\n'
        "------\n > [b 2/2] RUN two:\n0.2 cat: /x: No such file or directory\n------\n"
    )
    failure = diagnose(log)
    assert (failure.kind, failure.evidence) == ("file-not-found", ("cat: /x: No such file or directory",))


def test_a_trouble_that_passed_does_not_explain_a_later_failure() -> None:
    said = ["Read timed out, trying again", *(f"compiling {number}" for number in range(100))]
    log = STEP + "\n".join([*said, "x.c:1:1: error: expected ';'", "make: *** [x.o] Error 1"])
    assert diagnose(log, TREE).kind == "compiler"


def test_a_process_that_was_killed_explains_all_that_came_after() -> None:
    said = ["c++: fatal error: Killed signal terminated program cc1plus", *(f"compiling {n}" for n in range(100))]
    assert diagnose(STEP + "\n".join([*said, "make: *** [x.o] Error 1"]), TREE).kind == "out-of-memory"


def test_a_base_image_is_found_by_its_name_in_an_old_buildkits_log() -> None:
    log = (
        "#3 [internal] load metadata for docker.io/library/python:3.12\n#3 ERROR: docker.io/library/python:3.12: not found\n"
        "------\n > [internal] load metadata for docker.io/library/python:3.12:\n------\nfailed to solve with frontend "
        "dockerfile.v0: failed to create LLB definition: docker.io/library/python:3.12: not found\n"
    )
    failure = diagnose(log, TREE)
    assert (failure.kind, failure.line, failure.step) == ("image-not-found", 1, "FROM python:3.12 AS a")


def test_a_from_that_means_no_stage_is_told_from_an_image_that_is_gone() -> None:
    tree = dockerfile.parse(Source("Dockerfile", "FROM x AS builder\nFROM x\nCOPY --from=bilder /a /a\n"))
    log = "------\n > FROM docker.io/library/bilder:latest:\n------\nDockerfile:3\n-----\n   3 | >>> COPY --from=bilder /a /a\n"
    log += (
        "ERROR: failed to solve: bilder: pull access denied, repository does not exist or may require authorization\n"
    )
    failure = diagnose(log, tree)
    assert (failure.kind, failure.line) == ("syntax", 3)
    assert "`bilder`" in failure.summary


def test_an_engine_without_heredocs_is_named_as_the_cause() -> None:
    tree = dockerfile.parse(Source("Dockerfile", "FROM x\nRUN <<EOF\nset -e\nEOF\n"))
    failure = diagnose("Error response from daemon: dockerfile parse error line 3: unknown instruction: SET\n", tree)
    assert (failure.kind, failure.line) == ("syntax", 2)
    assert "heredoc" in failure.summary


def test_a_builder_that_names_no_place_is_helped_by_the_file() -> None:
    tree = dockerfile.parse(Source("Dockerfile", "FROM x\nRUN true\nENV A=1 B\n"))
    log = 'Error response from daemon: failed to parse Dockerfile: Syntax error - can\'t find = in "B". Must be of the form: name=value\n'
    failure = diagnose(log, tree)
    assert (failure.kind, failure.line) == ("syntax", 3)


def test_a_download_that_says_nothing_is_told_by_its_exit_status() -> None:
    def ended(command: str, status: int) -> str:
        wrapped = f"The command '/bin/sh -c {command}' returned a non-zero code: {status}"
        return diagnose(f"Step 2/2 : RUN {command}\n ---> Running in 0123456789ab\n{wrapped}\n").kind

    assert ended("wget -q https://example.org/x", 4) == "network"
    assert ended("wget -q https://example.org/x", 8) == "file-not-found"
    assert ended("curl -sfO https://example.org/x", 6) == "network"
    assert ended("curl -sfO https://example.org/x", 1) == "command-failed"
    assert ended("bundle install", 7) == "command-failed"


def test_what_compose_says_of_a_service_is_no_compiler() -> None:
    log = STEP + "boom\nERROR: Service 'web' failed to build: The command '/bin/sh -c x' returned a non-zero code: 1\n"
    failure = diagnose(log + "ERROR: Service 'web' failed to build : Build failed\n")
    assert failure.kind == "command-failed"
    assert "boom" in failure.evidence


def test_the_time_before_each_line_is_not_read() -> None:
    log = "2024-03-01T10:00:00.123Z Step 2/2 : RUN make\n2024-03-01T10:00:01.5Z ELF: not found\n10:00:02 boom\n"
    failure = diagnose(log)
    assert (failure.step, failure.kind) == ("RUN make", "wrong-architecture")


def test_a_vertex_whose_beginning_is_cut_off_is_found_by_its_error() -> None:
    log = "#7 0.1 no space left on device\n#8 0.2 cat: /x: No such file or directory\n#8 ERROR: exit code: 1\n"
    assert diagnose(log + "------\n > [2/2] RUN two:\n------\n").kind == "file-not-found"


def test_a_network_that_came_back_does_not_explain_the_failure() -> None:
    said = "info There appears to be trouble with your network connection. Retrying...\nx.c:1:1: error: expected ';'\n"
    assert diagnose(STEP + said).kind == "compiler"


def test_where_nothing_is_known_the_complaints_are_shown_and_not_the_status() -> None:
    said = ["reading", "error: the frobnicator is not set", *(f"at frame {number}" for number in range(20))]
    log = STEP + "\n".join(said) + "\nThe command '/bin/sh -c x' returned a non-zero code: 1\n"
    assert diagnose(log).evidence == ("error: the frobnicator is not set",)


@given(st.text(max_size=400))
def test_any_log_gives_an_answer(log: str) -> None:
    assert diagnose(log, TREE).kind in KINDS


@pytest.mark.parametrize("line", ["Failed to fetch " + "a" * 3000, "could not find " + "a/" * 500, "'/" * 400])
def test_a_long_log_takes_time_in_proportion(line: str, linear) -> None:
    linear(lambda size: diagnose(STEP + "\n".join(f"{line} {number}" for number in range(size)), TREE), 300)


def test_ten_megabytes_of_output_are_read_in_proportion(linear) -> None:
    def read(size: int) -> None:
        lines = (f"compiling unit {number} with a long enough name to fill a line\n" for number in range(size))
        assert diagnose(STEP + "".join(lines), TREE).kind == "command-failed"

    linear(read, 20_000)
