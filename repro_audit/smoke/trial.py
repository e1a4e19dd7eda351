"""The smoke test itself: run the probe in an image, however little the image has, and come to a verdict.

Called by the command line with a `Runner`; pure apart from what the runner does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repro_audit.smoke import launch
from repro_audit.smoke.diagnosis import diagnose
from repro_audit.smoke.engine_error import MISSING_COMMAND, NOT_THE_COMMAND, Host, engine_error, went_away
from repro_audit.smoke.outcome import Diagnosis
from repro_audit.smoke.reading import Reading, read
from repro_audit.smoke.runner import Ran, Runner

# The engine's statuses for "could not start the container", "not executable" and "not in the image".
_ENGINE_FAILED, _NOT_EXECUTABLE, _NOT_FOUND = 125, 126, 127
_GPU_OUTCOMES = ("no-runtime", "no-gpu", "no-driver", "no-such-device", "driver-too-old", "driver-mismatch")
_STARTING = 20.0  # seconds that an engine may take around the probe's own time


@dataclass(slots=True, frozen=True)
class Trial:
    """A finished smoke test. `gpus` says whether the container that the reading is from was given GPUs."""

    engine: str
    subject: str
    diagnosis: Diagnosis
    notes: tuple[str, ...]
    reading: Reading | None
    host: Host
    gpus: bool
    seconds: float


def smoke(runner: Runner, host: Host, *, timeout: float = 300.0, only: tuple[str, ...] = ()) -> Trial:
    """Run the probe with `runner` for at most `timeout` seconds. `only` names frameworks to test, all if empty.

    Where the engine cannot give the container a GPU, the image is looked at once more without one: a framework built
    without CUDA shows there too.
    """
    ran = _probe(runner, timeout, only, gpus=True)
    seconds = ran.seconds
    reading = _reading(ran)
    if reading is None and not launch.began(ran.stdout):
        refused = _refusal(ran, runner, host)
        if refused is None:
            reading = _from_files(runner)
        elif refused.outcome in _GPU_OUTCOMES:
            return _without_gpu(runner, host, refused, timeout, only, seconds)
        else:
            return Trial(runner.engine, runner.subject, refused, (), None, host, True, seconds)
    if reading is None:
        return Trial(runner.engine, runner.subject, _unread(ran, timeout), (), None, host, True, seconds)
    verdict, notes = diagnose(reading, host, on_host=runner.engine == "host")
    return Trial(runner.engine, runner.subject, verdict, notes, reading, host, True, seconds)


def no_engine(subject: str, host: Host, tried: Sequence[tuple[str, str, str]]) -> Trial:
    """The trial that could not begin: `tried` are the engines looked for, each with what was wrong with it and what to
    do about that. Of several, only those that run containers matter.
    """
    able = [each for each in tried if each[0] in ("docker", "podman")] or tried
    verdict = Diagnosis(
        "no-engine",
        "engine",
        "no engine that runs containers works here",
        tuple(f"{name}: {why}" for name, why, _ in able),
        (
            *dict.fromkeys(f"for {name}: {remedy}" for name, _, remedy in able),
            "or test this host without a container: repro-audit smoke --host",
        ),
    )
    return Trial("none", subject, verdict, (), None, host, False, 0.0)


def _probe(runner: Runner, timeout: float, only: tuple[str, ...], *, gpus: bool) -> Ran:
    """The probe by way of a shell, or of a Python where the image has no shell."""
    budget = max(timeout - _STARTING, timeout / 2)
    source = launch.probe_source()
    ran = runner.run(launch.shell_command(budget, only), stdin=source, gpus=gpus, timeout=timeout)
    seconds = ran.seconds
    if not _command_missing(ran):
        return ran
    for python in launch.PYTHONS:
        if timeout - seconds < 2.0:
            break
        budget = max(timeout - seconds - _STARTING, (timeout - seconds) / 2)
        other = runner.run(
            launch.python_command(python, budget, only), stdin=source, gpus=gpus, timeout=timeout - seconds
        )
        seconds += other.seconds
        if not _command_missing(other):
            return Ran(other.status, other.stdout, other.stderr, other.timed_out, seconds)
    return Ran(ran.status, ran.stdout, ran.stderr, ran.timed_out, seconds)


def _command_missing(ran: Ran) -> bool:
    """Whether the container could have been started, had the command been in the image."""
    if launch.began(ran.stdout) or ran.timed_out or ran.status is None:
        return False
    text = ran.stderr.decode("utf-8", "replace")
    if NOT_THE_COMMAND.search(text):
        return False
    if ran.status == _NOT_FOUND:
        return True
    about_nvidia = "nvidia" in text or "exec format error" in text
    return ran.status in (_ENGINE_FAILED, _NOT_EXECUTABLE) and not about_nvidia and bool(MISSING_COMMAND.search(text))


def _reading(ran: Ran) -> Reading | None:
    document = launch.document(ran.stdout)
    return read(document) if document is not None else None


def _refusal(ran: Ran, runner: Runner, host: Host) -> Diagnosis | None:
    """Why nothing of the probe was run; None where only the commands were missing in the image."""
    if _command_missing(ran):
        return None
    text = ran.stderr.decode("utf-8", "replace")
    if ran.timed_out:
        return Diagnosis(
            "engine-failed",
            "engine",
            f"{runner.engine} did not start the container within {ran.seconds:.0f} s",
            tuple(text.strip().splitlines()[-3:]),
            ("see whether it answers: " + f"{runner.engine} info", "or give it more time: --timeout 900"),
        )
    if ran.status == 0:
        return _unread(ran, ran.seconds)
    refused = engine_error(text, runner.engine, host, started=ran.status is not None)
    if refused.outcome == "engine-failed" and ran.status not in (_ENGINE_FAILED, _NOT_EXECUTABLE, _NOT_FOUND):
        return _unread(ran, ran.seconds)  # any other status is the container's own
    return refused


def _from_files(runner: Runner) -> Reading | None:
    paths = runner.files()
    return read(launch.files_document(list(paths))) if paths is not None else None


def _without_gpu(
    runner: Runner, host: Host, refused: Diagnosis, timeout: float, only: tuple[str, ...], seconds: float
) -> Trial:
    """The engine refused the GPU. What the image says without one may still be a verdict on the image."""
    ran = _probe(runner, timeout, only, gpus=False)
    reading = _reading(ran)
    if reading is None and _command_missing(ran):
        reading = _from_files(runner)
    seconds += ran.seconds
    if reading is not None:
        verdict, notes = diagnose(reading, host)
        if verdict.outcome == "framework-without-cuda":
            notes = (f"besides: {refused.summary}", *(note for note in notes if note.startswith("also: ")))
            return Trial(runner.engine, runner.subject, verdict, notes, reading, host, False, seconds)
    notes = _image_notes(reading)
    return Trial(runner.engine, runner.subject, refused, notes, reading, host, False, seconds)


def _image_notes(reading: Reading | None) -> tuple[str, ...]:
    if reading is None:
        return ()
    found = [f"{f.name} {f.version or ''}".strip() for f in reading.frameworks]
    if reading.image_cuda:
        found.insert(0, f"CUDA {reading.image_cuda}")
    if found:
        return (f"the image itself, looked at without a GPU, has {', '.join(found)}",)
    return ("the image itself, looked at without a GPU, has no CUDA toolkit and no framework",)


def _unread(ran: Ran, timeout: float) -> Diagnosis:
    """The probe was reached, or the container ended well, and there is no answer."""
    last = tuple(
        line.strip()[:300]
        for line in (ran.stderr or ran.stdout).decode("utf-8", "replace").splitlines()[-4:]
        if line.strip()
    )
    if ran.timed_out:
        return Diagnosis(
            "timeout",
            None,
            f"the test did not finish within {timeout:.0f} s",
            last,
            ("give it more time: --timeout 900", "if it never ends, look on the host: dmesg | grep -i xid"),
        )
    gone = went_away(ran.stderr.decode("utf-8", "replace"))
    if gone is not None:
        return Diagnosis(
            "engine-failed",
            "engine",
            "the container engine went away during the test",
            (gone,),
            ("see what its log says: journalctl -u docker -n 50", "and run the test again"),
        )
    how = "began and gave no answer" if launch.began(ran.stdout) else "did not begin, though the container started"
    remedy: tuple[str, ...] = ("run it again; if it stays so, report this with the output of --format json",)
    if ran.status == 137:
        how, remedy = "was killed", ("give the container more memory: 137 is what the kernel's killing looks like",)
    return Diagnosis("no-answer", None, f"the probe {how} (status {ran.status})", last, remedy)
