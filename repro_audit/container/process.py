"""Starts programs: the one place that does. Engines and `git` are reached through `run`, with argument lists, never a
shell string; what they print is streamed, bounded and free of secrets.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    from repro_audit.container.engine_secrets import Redactor

# What programs are told of our environment: where things are, how to reach the engine and the network.
_PASSED = frozenset(
    "PATH HOME USER LOGNAME TMPDIR TEMP TMP SSH_AUTH_SOCK SSL_CERT_FILE SSL_CERT_DIR DBUS_SESSION_BUS_ADDRESS "
    "HTTP_PROXY HTTPS_PROXY FTP_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy ftp_proxy no_proxy all_proxy "
    "REGISTRY_AUTH_FILE _CONTAINERS_USERNS_CONFIGURED _CONTAINERS_ROOTLESS_UID NOTIFY_SOCKET".split()
)
_PREFIXES = ("DOCKER_", "BUILDX_", "BUILDKIT_", "BUILDAH_", "CONTAINER_", "CONTAINERS_", "STORAGE_", "PODMAN_", "XDG_")
_LINE = 8192
# what programs send to colour text and move the cursor
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
_GRACE = 10.0


class ProcessError(Exception):
    """A program that could not be started."""


@dataclass(slots=True, frozen=True)
class Outcome:
    """How a program ended. `status` is its exit status (negative: killed by that signal); `stdout` and `stderr` are
    what was kept of what it printed, secrets taken out; `truncated` when that is not all.
    """

    status: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool = False
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.status == 0 and not self.timed_out

    @property
    def text(self) -> str:
        """All that was kept, for looking for an error in."""
        return f"{self.stdout}\n{self.stderr}".strip("\n")

    @property
    def last_line(self) -> str:
        """The last line that says something, of the errors if there are any."""
        for text in (self.stderr, self.stdout):
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            if lines:
                return lines[-1][:500]
        if self.timed_out:
            return f"no answer within {self.seconds:.0f} s"
        return f"killed by signal {-self.status}" if self.status < 0 else f"exit status {self.status}"


class Log:
    """Keeps the first and the last lines of what a program prints: the middle of a long build tells nobody anything."""

    def __init__(self, keep: int) -> None:
        self._half = keep // 2
        self._first: list[str] = []
        self._last: deque[str] = deque()
        self._sizes = [0, 0]
        self.dropped = 0

    def add(self, line: str) -> None:
        """Take a line, without its end."""
        if not self._last and self._sizes[0] + len(line) < self._half:
            self._first.append(line)
            self._sizes[0] += len(line) + 1
            return
        self._last.append(line)
        self._sizes[1] += len(line) + 1
        while self._sizes[1] > self._half and len(self._last) > 1:
            self._sizes[1] -= len(self._last.popleft()) + 1
            self.dropped += 1

    def text(self) -> str:
        """What was kept."""
        gap = [f"[... {self.dropped} lines left out ...]"] if self.dropped else []
        return "\n".join([*self._first, *gap, *self._last])


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that programs get: ours less all that is not their business, with English messages."""
    env = {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PREFIXES)}
    env.setdefault("PATH", os.defpath)
    env.update({"LC_ALL": "C.UTF-8", "TZ": "UTC0"})
    env.update(extra or {})
    return env


def run(
    argv: Sequence[str],
    *,
    on_line: Callable[[str], None] | None = None,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout: float | None = None,
    redactor: Redactor | None = None,
    keep: int = 1 << 20,
    umask: int = -1,
    grace: float = _GRACE,
) -> Outcome:
    """Run a program to its end. Raises ProcessError where it cannot be started.

    `on_line` sees each line of both streams as it comes (from two threads, one at a time). `env` is added to
    `environment()`; `keep` bounds in characters what is kept of each stream. On an interrupt, and when `timeout`
    seconds have passed, the program and all that it started are asked to end (SIGINT, as a terminal would), and after
    `grace` seconds, and half as many more, killed.
    """
    started = time.monotonic()
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment(env),
            start_new_session=True,
            umask=umask,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ProcessError(f"{argv[0]} cannot be started: {reason}") from None
    lock = threading.Lock()
    logs = (Log(keep), Log(keep))
    readers = [
        threading.Thread(target=_read, args=(stream, log, on_line, redactor, lock), daemon=True)
        for stream, log in ((child.stdout, logs[0]), (child.stderr, logs[1]))
    ]
    if stdin is not None:
        readers.append(threading.Thread(target=_feed, args=(child.stdin, stdin), daemon=True))
    timed_out = False
    try:
        for reader in readers:
            reader.start()
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            _end(child, grace)
    except BaseException:
        _end(child, grace)
        raise
    for reader in readers:
        # A grandchild that lives on may hold the pipe: what it says is no concern of ours.
        reader.join(2.0 if reader is not readers[-1] or stdin is None else 0.2)
    with lock:
        out, err = (log.text() for log in logs)
    return Outcome(child.returncode, out, err, time.monotonic() - started, timed_out, any(log.dropped for log in logs))


def _read(
    stream: IO[bytes] | None,
    log: Log,
    on_line: Callable[[str], None] | None,
    redactor: Redactor | None,
    lock: threading.Lock,
) -> None:
    assert stream is not None
    clean = redactor.text if redactor is not None else str
    pending = b""
    with stream:
        while True:
            try:
                data = os.read(stream.fileno(), 1 << 16)
            except OSError:
                break
            pending += data
            # A line that never ends is cut, so that it cannot fill the memory.
            *whole, pending = pending.split(b"\n") if len(pending) < (1 << 20) else [pending, b""]
            if not data and pending:
                whole, pending = [*whole, pending], b""
            for raw in whole:
                # progress bars draw over themselves
                line = raw.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
                # colours first: a secret with a colour in it would show once that is gone
                line = clean(_ESCAPES.sub("", line) if "\x1b" in line else line)
                with lock:
                    log.add(line)
                    if on_line is not None:
                        on_line(line[:_LINE])
            if not data:
                break


def _feed(stream: IO[bytes] | None, data: bytes) -> None:
    assert stream is not None
    try:
        with stream:
            stream.write(data)
    except OSError:
        pass  # it did not want to hear all of it


def _end(child: subprocess.Popen[bytes], patience: float) -> None:
    """End a program and what it started: asked to, as by a terminal, then told to, then killed."""
    with shielded():
        below = _below(child.pid)
        for number, grace in ((signal.SIGINT, patience), (signal.SIGTERM, patience / 2), (signal.SIGKILL, 5.0)):
            try:
                os.killpg(child.pid, number)
            except (ProcessLookupError, PermissionError):
                break
            try:
                child.wait(grace)
                break
            except subprocess.TimeoutExpired:
                continue
        try:
            os.killpg(child.pid, signal.SIGKILL)  # what is left of its group
        except (ProcessLookupError, PermissionError):
            pass
        # what left the group: a command that is the first process of its namespace hears nothing but this
        for pid in [pid for pid, began in below if _began(pid) == began]:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        if child.poll() is None:
            try:
                child.wait(5.0)
            except subprocess.TimeoutExpired:
                pass


def _below(pid: int) -> list[tuple[int, str]]:
    """All processes that a process started, and those that they started, each with the time it began; none where the
    system has no /proc.
    """
    children: dict[str, list[int]] = {}
    try:
        running = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for each in running:
        children.setdefault(_stat(each, 1), []).append(each)
    found, parents = [], [pid]
    while parents:
        started = children.get(str(parents.pop()), [])
        found += [(each, _began(each)) for each in started]
        parents += started
    return found


def running(names: Collection[str], *, store: str) -> bool:
    """Whether a program of such a name runs that is none of ours, and whose variable `store` is as ours is; not where
    the system has no /proc.
    """
    ours = os.environ.get(store, "")
    mine = {pid for pid, _ in _below(os.getpid())}
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return False
    for pid in pids:
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                if file.read().strip() not in names or pid in mine:
                    continue
            with open(f"/proc/{pid}/environ", encoding="utf-8", errors="replace") as file:
                given = dict(each.partition("=")[::2] for each in file.read().split("\0"))
        except OSError:
            continue
        if given.get(store, "") == ours:
            return True
    return False


def _began(pid: int) -> str:
    return _stat(pid, 19)


def _stat(pid: int, field: int) -> str:
    """A field of the process's state, counted from what follows its name; empty for a process that is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[field]
    except (OSError, IndexError):
        return ""


@contextmanager
def shielded() -> Iterator[None]:
    """While cleaning up, an interrupt waits: it would leave behind what is being removed. It is heard at the end,
    unless it was an interrupt that led here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    with _handling((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), lambda number, _: caught.append(number)):
        yield
    if caught and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
        signal.raise_signal(caught[0])


@contextmanager
def interruptible() -> Iterator[None]:
    """Being told to end (SIGTERM, SIGHUP) is taken as an interrupt, so that everything is cleaned up."""

    def interrupted(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handling((signal.SIGTERM, signal.SIGHUP), interrupted):
        yield


@contextmanager
def _handling(numbers: Iterable[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Signals go to the handler; one that is ignored, as SIGHUP is under nohup, stays so."""
    ignored = (signal.SIG_IGN, None)  # None: not of our making, and it could not be put back
    before = {number: now for number in numbers if (now := signal.getsignal(number)) not in ignored}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)
