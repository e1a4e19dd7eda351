from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from repro_audit.container.engine_secrets import Redactor
from repro_audit.container.process import Log, ProcessError, environment, run

PYTHON = sys.executable


def test_what_a_program_prints_is_kept_and_handed_on_line_by_line() -> None:
    seen: list[str] = []
    done = run([PYTHON, "-c", "import sys; print('a'); print('b', file=sys.stderr); sys.exit(3)"], on_line=seen.append)
    assert (done.status, done.stdout, done.stderr, done.ok) == (3, "a", "b", False)
    assert sorted(seen) == ["a", "b"]


def test_a_program_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(ProcessError, match="cannot be started"):
        run(["repro-audit-no-such-program"])


def test_words_are_never_read_by_a_shell() -> None:
    assert run([PYTHON, "-c", "import sys; print(sys.argv[1])", "$(id); `id` | cat"]).stdout == "$(id); `id` | cat"


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path) -> None:
    mark = tmp_path / "child"
    code = (
        "import subprocess,sys,time; c=subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)']);"
        f"open({str(mark)!r},'w').write(str(c.pid)); time.sleep(60)"
    )
    done = run([PYTHON, "-c", code], timeout=1.5)
    assert done.timed_out and not done.ok
    assert done.seconds < 20
    time.sleep(0.2)
    assert not _lives(int(mark.read_text()))


def test_a_program_that_takes_too_long_is_ended_with_what_went_into_a_session_of_its_own(tmp_path) -> None:
    mark = tmp_path / "child"
    deaf = "import signal,time; signal.signal(2, signal.SIG_IGN); signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    code = (
        f"import subprocess,sys,time; c=subprocess.Popen([sys.executable,'-c',{deaf!r}], start_new_session=True);"
        f"open({str(mark)!r},'w').write(str(c.pid)); time.sleep(60)"
    )
    assert run([PYTHON, "-c", code], timeout=1.5).timed_out
    time.sleep(0.2)
    assert not _lives(int(mark.read_text()))


def test_an_interrupt_ends_the_program_before_it_goes_on(tmp_path) -> None:
    mark = tmp_path / "pid"
    inner = f"import os,time; open({str(mark)!r},'w').write(str(os.getpid())); time.sleep(60)"
    code = f"from repro_audit.container.process import run; import sys; run([sys.executable, '-c', {inner!r}])"
    child = subprocess.Popen([PYTHON, "-c", code], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while not (mark.exists() and mark.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    child.wait(20)
    assert not _lives(int(mark.read_text()))


SHIELDED = """
import os, signal, sys, time
from repro_audit.container.process import interruptible, shielded
with interruptible():
    try:
        with shielded():
            os.kill(os.getpid(), signal.{name})
            time.sleep(0.1)
            print("cleaned up")
        print("went on")
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupt_while_cleaning_up_is_heard_once_that_is_done(name: str) -> None:
    assert run([PYTHON, "-c", SHIELDED.format(name=name)]).stdout.split("\n") == ["cleaned up", "interrupted"]


def test_an_interrupt_that_comes_a_second_time_does_not_end_the_cleaning_up() -> None:
    code = SHIELDED.format(name="SIGTERM").replace(
        "try:", "try:\n      try:\n        raise KeyboardInterrupt\n      finally:"
    )
    assert run([PYTHON, "-c", code]).stdout.split("\n") == ["cleaned up", "went on", "interrupted"]


def test_a_hang_up_that_is_ignored_stays_so() -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)" + SHIELDED.format(name="SIGHUP")
    assert run([PYTHON, "-c", code]).stdout.split("\n") == ["cleaned up", "went on"]


def test_a_secret_with_a_colour_in_it_does_not_show() -> None:
    code = r"print('it is hunt\x1b[31mer22'); print('50%\rit is hunter22')"
    assert run([PYTHON, "-c", code], redactor=Redactor(["hunter22"])).stdout == "it is ***\nit is ***"


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_memory_for_logs_is_bounded() -> None:
    done = run([PYTHON, "-c", "print('x' * 99); [print(n) for n in range(200000)]; print('last')"], keep=10_000)
    assert len(done.stdout) < 12_000
    assert done.stdout.startswith("xxx") and done.stdout.endswith("last")
    assert done.truncated and "lines left out" in done.stdout


def test_a_line_without_an_end_is_cut() -> None:
    seen: list[str] = []
    run([PYTHON, "-c", "import sys; sys.stdout.write('x' * 5_000_000)"], on_line=seen.append, keep=1000)
    assert max(map(len, seen)) <= 8192


def test_secrets_show_neither_in_lines_nor_in_what_is_kept() -> None:
    seen: list[str] = []
    done = run([PYTHON, "-c", "print('it is hunter22!')"], on_line=seen.append, redactor=Redactor(["hunter22"]))
    assert seen == ["it is ***!"]
    assert done.stdout == "it is ***!"


def test_colours_and_progress_bars_are_taken_out() -> None:
    done = run([PYTHON, "-c", r"print('10%\r50%\r\x1b[31mdone\x1b[0m')"])
    assert done.stdout == "done"


def test_standard_input_is_handed_over_also_where_nobody_reads_it() -> None:
    assert run([PYTHON, "-c", "print(input())"], stdin=b"hello\n").stdout == "hello"
    assert run([PYTHON, "-c", "pass"], stdin=b"x" * 10_000_000).ok


def test_programs_see_only_what_is_their_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PRIVATE_TOKEN", "x")
    monkeypatch.setenv("LD_PRELOAD", "/nothing.so")
    monkeypatch.setenv("DOCKER_HOST", "unix:///x")
    env = environment({"MORE": "1"})
    assert "MY_PRIVATE_TOKEN" not in env and "LD_PRELOAD" not in env
    assert (env["DOCKER_HOST"], env["MORE"], env["LC_ALL"]) == ("unix:///x", "1", "C.UTF-8")
    assert env["PATH"] == os.environ["PATH"]


def test_a_log_keeps_both_ends() -> None:
    log = Log(100)
    for number in range(1000):
        log.add(f"line {number}")
    text = log.text().splitlines()
    assert text[0] == "line 0" and text[-1] == "line 999"
    assert len(log.text()) < 200
