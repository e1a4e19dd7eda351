"""Runs the engine over the files of a project, in several processes where that pays. Called by the CLI.

The processes are forks that take pieces of the list of files from a pipe until it is empty and send back what they
found. One that dies (a parser in C can) takes nothing with it: its files are tried again one by one, each in a
process of its own, and the one that kills it gets a finding.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from repro_audit.engine import Audited, Engine, Failure
from repro_audit.finding import Finding, Severity
from repro_audit.result import InputRecord
from repro_audit.source import Source, Span

if TYPE_CHECKING:
    from repro_audit.discover import File
    from repro_audit.facts.project import Project

# Fewer files than this are done before a second process would have started to help.
WORTHWHILE = 48
# A pipe holds 64 KiB, so that all numbers of pieces can be written before anybody reads.
_MAX_PIECES = 4_000
_NUMBER = struct.Struct("=I")
_SIZE = struct.Struct("=Q")

Progress = Callable[[int], None]
_Files = Sequence[tuple["Project", "File"]]


def default_jobs(files: int) -> int:
    """How many processes to use for so many files."""
    if files < WORTHWHILE or not hasattr(os, "fork"):
        return 1
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, files)


def audit_files(engine: Engine, projects: Sequence[Project], jobs: int, progress: Progress) -> list[Audited]:
    """What the engine says about each file of the projects, in order; `progress` is told how many are done."""
    files = [(project, file) for project in projects for file in project.files]
    if jobs <= 1 or len(files) < 2 or not hasattr(os, "fork"):
        done = []
        for project, file in files:
            done.append(engine.file(project, file))
            progress(1)
        return done
    pieces = _pieces(len(files), jobs)
    found = _forked(engine, files, pieces, min(jobs, len(pieces)), progress)
    for number, piece in enumerate(pieces):
        if number not in found:
            found[number] = [_alone(engine, *files[index]) for index in piece]
            progress(len(piece))
    return [audited for number in range(len(pieces)) for audited in found[number]]


def _pieces(count: int, jobs: int) -> list[range]:
    """The indexes of the files in runs of neighbours, which often lead to the same other files."""
    size = max(1, min(16, count // (jobs * 4)), -(-count // _MAX_PIECES))
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _forked(
    engine: Engine, files: _Files, pieces: list[range], jobs: int, progress: Progress
) -> dict[int, list[Audited]]:
    """What the forks send back, by number of the piece; pieces whose process died are missing."""
    tasks, feed = os.pipe()
    os.write(feed, b"".join(_NUMBER.pack(number) for number in range(len(pieces))))
    os.close(feed)
    children: dict[int, int] = {}
    received: dict[int, bytearray] = {}
    found: dict[int, list[Audited]] = {}
    try:
        for _ in range(jobs):
            ours, theirs = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(ours)
                _child(lambda send: _work(engine, files, pieces, tasks, send), theirs)
            os.close(theirs)
            children[ours] = child
            received[ours] = bytearray()
        waiting = set(children)
        while waiting:
            for pipe in select.select(list(waiting), [], [])[0]:
                data = os.read(pipe, 1 << 20)
                if not data:
                    waiting.discard(pipe)
                    continue
                received[pipe] += data
                for number, audited in _messages(received[pipe]):
                    found[number] = audited
                    progress(len(audited))
    finally:
        os.close(tasks)
        for pipe, child in children.items():
            os.close(pipe)
            _end(child)
    return found


def _child(work: Callable[[Callable[[object], None]], None], pipe: int) -> None:
    """Run `work` in the forked process and end it; never returns."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

        def send(message: object) -> None:
            data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            view = memoryview(_SIZE.pack(len(data)) + data)
            while view:
                view = view[os.write(pipe, view) :]

        work(send)
        status = 0
    finally:
        os._exit(status)  # without flushing what the parent has in its buffers


def _work(engine: Engine, files: _Files, pieces: list[range], tasks: int, send: Callable[[object], None]) -> None:
    while number := os.read(tasks, _NUMBER.size):
        piece = _NUMBER.unpack(number)[0]
        send((piece, [_packed(engine.file(*files[index])) for index in pieces[piece]]))


def _messages(buffer: bytearray) -> list[tuple[int, list[Audited]]]:
    """The complete messages at the start of `buffer`, which are taken out of it."""
    found = []
    at = 0
    while len(buffer) - at >= _SIZE.size:
        end = at + _SIZE.size + _SIZE.unpack_from(buffer, at)[0]
        if len(buffer) < end:
            break
        number, packed = pickle.loads(memoryview(buffer)[at + _SIZE.size : end])  # noqa: S301  (from our own fork)
        found.append((number, [_unpacked(each) for each in packed]))
        at = end
    del buffer[:at]
    return found


def _alone(engine: Engine, project: Project, file: File) -> Audited:
    """What the engine says about a file in a process of its own, or that this process died."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _child(lambda send: send((0, [_packed(engine.file(project, file))])), theirs)
    os.close(theirs)
    buffer = bytearray()
    while data := os.read(ours, 1 << 20):
        buffer += data
    os.close(ours)
    _, status = os.waitpid(child, 0)
    messages = _messages(buffer)
    if messages:
        return messages[0][1][0]
    how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.waitstatus_to_exitcode(status)}"
    failure = Failure(Source(file.shown, ""), Span(0, 0), "reading the file", f"its process ended with {how}")
    return engine.failed(failure)


def _end(child: int) -> None:
    try:
        if os.waitpid(child, os.WNOHANG) == (0, 0):
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
    except ChildProcessError:
        pass


# --- on the way: plain tuples, since pickling frozen dataclasses one by one costs more than finding did ---------------

_Packed = tuple[list[tuple[Any, ...]], list[Source], tuple[InputRecord, ...], int, tuple[str, ...], bool]


def _packed(audited: Audited) -> _Packed:
    sources: dict[int, Source] = {}
    order: dict[int, int] = {}
    rows: list[tuple[Any, ...]] = []
    for f in audited.findings:
        key = id(f.source)
        if key not in order:
            order[key] = len(order)
            source = f.source
            sources[key] = Source(source.path, source.text, source.encoding, source.bom)
        rows.append((f.rule, f.family, int(f.severity), f.message, order[key], *f.span, f.fix, f.related, f.aliases))
    return rows, list(sources.values()), audited.inputs, audited.suppressed, audited.failures, audited.read


def _unpacked(packed: _Packed) -> Audited:
    rows, sources, inputs, suppressed, failures, read = packed
    findings = tuple(
        Finding(rule, family, Severity(severity), message, sources[place], Span(start, end), fix, related, aliases)
        for rule, family, severity, message, place, start, end, fix, related, aliases in rows
    )
    return Audited(findings, inputs, suppressed, failures, read)
