"""A trial as text for people and as JSON for machines and for keeping.

The JSON, `version` 1:

    {"version": 1, "tool": "repro-audit 0.1", "recorded": "2026-01-31T12:00:00Z" | null,
     "result": "works" | "fails" | "untested", "outcome": ID, "exit_status": 0 | 1 | 2,
     "link": LINK | null, "summary": TEXT, "evidence": [TEXT], "remedy": [TEXT], "notes": [TEXT], "not_checked": [TEXT],
     "subject": {"engine": TEXT, "image": TEXT, "gpus": BOOL, "looked_with": "python" | "shell" | "files" | null},
     "chain": [{"link": LINK, "device": N | null, "status": "ok" | "failed" | "wrong" | "absent" | "unchecked",
                "detail": TEXT}],
     "driver": {"release": TEXT | null, "cuda": TEXT | null}, "cuda": TEXT | null,
     "devices": [{"index", "name", "capability", "memory_bytes", "uuid", "pci", "settings": {...}}],
     "frameworks": [{"name", "version", "cuda", "cudnn", "built_with_cuda", "available", "devices", "architectures",
                     "checks": [{"name", "device", "status", "detail"}], "error", "ended", "facts": {...}}],
     "environment": {NAME: VALUE}, "surroundings": {...}, "host": {"gpus", "driver", "cdi", "wsl"}, "seconds": N}
"""

from __future__ import annotations

import json
import re
from typing import Any

from repro_audit.smoke.outcome import OUTCOMES
from repro_audit.smoke.reading import LINKS, Check, Framework, Reading, Step
from repro_audit.smoke.trial import Trial

_SURROUNDINGS = (
    "python", "machine", "kernel", "user", "shared_memory_bytes", "limits", "capabilities", "memory_limit", "image",
    "nodes",
)  # fmt: skip
_TITLES = {
    "nodes": "device nodes",
    "library": "driver library",
    "init": "cuInit",
    "driver": "driver version",
    "devices": "devices",
    "context": "context",
    "kernel": "kernel",
    "memory": "memory copies",
    "peer": "peer access",
}
_SETTINGS = {"ecc": "ECC", "mig": "MIG", "vbios": "VBIOS"}
_UNITS = {"mhz": " MHz", "watts": " W"}
_RESET, _BOLD, _DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"
_COLORS = {"works": "\x1b[1;32m", "fails": "\x1b[1;31m", "untested": "\x1b[1;33m"}
_MARKS = {"ok": "ok", "failed": "FAILED", "wrong": "WRONG", "absent": "none", "unchecked": "-", "differs": "DIFFERS"}


def chain(reading: Reading) -> list[dict[str, Any]]:
    """Every link with its state, in order; `unchecked` below the one that broke."""
    rows: list[dict[str, Any]] = [_nodes(reading)]
    for link in LINKS[1:]:
        steps = [s for s in reading.steps if s.link == link]
        for step in steps:
            rows.append(_row(link, step.device, step.status, _detail(step)))
        if not steps:
            ended = reading.ending
            if ended.how != "done" and ended.during == link:
                how = ended.signal or f"no answer within {ended.limit or 0:.0f} s"
                rows.append(_row(link, ended.device, "failed", how))
            else:
                rows.append(_row(link, None, "unchecked", ""))
    for step in reading.steps:
        if step.link == "device" and step.status != "ok":
            rows.append(_row("devices", step.device, step.status, _detail(step)))
        if step.link == "peer":
            pair = " and ".join(str(n) for n in step.facts.get("devices", ()))
            access = "reach" if step.facts.get("access") else "do not reach"
            rows.append(_row("peer", None, "ok", f"GPUs {pair} {access} each other's memory"))
    return rows


def _nodes(reading: Reading) -> dict[str, Any]:
    paths = [node.path for node in reading.nodes]
    closed = [node.path for node in reading.nodes if not node.usable]
    if closed:
        return _row("nodes", None, "failed", f"not to be opened by this user: {', '.join(closed)}")
    return _row("nodes", None, "ok" if paths else "absent", ", ".join(paths[:8]) or "no /dev/nvidia*, no /dev/dxg")


def _row(link: str, device: int | None, status: str, detail: str) -> dict[str, Any]:
    return {"link": link, "device": device, "status": status, "detail": detail}


def _detail(step: Step) -> str:
    facts = step.facts
    if step.status == "failed":
        number = f"error {step.code} " if step.code is not None else ""
        said = f"{step.function}: {number}{step.error}".removeprefix(": ").strip()
        return said or (f"{facts.get('count')} devices" if step.link == "devices" else "")
    if step.link == "library":
        return str(facts.get("path") or "")
    if step.link == "driver":
        return f"supports CUDA {facts.get('cuda')}"
    if step.link == "devices":
        return str(facts.get("count"))
    if step.link == "context" and isinstance(facts.get("memory_free_bytes"), int):
        return f"{facts['memory_free_bytes'] / 2**30:.1f} GiB free"
    if step.link == "kernel":
        return f"{facts.get('elements')} results checked, {facts.get('wrong')} wrong"
    if step.link == "memory":
        size = f"{facts['bytes'] / 2**20:g} MiB" if isinstance(facts.get("bytes"), int) else "data"
        if step.status == "wrong":
            return f"{size} there and back: sent with checksum {facts.get('sent')}, received {facts.get('received')}"
        return f"{size} there and back, unchanged"
    return ""


def not_checked(reading: Reading | None) -> list[str]:
    """What could not be looked at, in words."""
    if reading is None:
        return ["everything inside the image"]
    if reading.kind == "shell":
        return [
            "the chain from cuInit to a kernel, memory copies, frameworks: no Python in the image could run the probe"
        ]
    if reading.kind == "files":
        return ["the driver, devices, frameworks: nothing could be run in the image"]
    out = []
    if not reading.frameworks:
        out.append("frameworks: none of torch, tensorflow, jax and cupy is installed")
    out += [f"{f.name}: the time was over" for f in reading.frameworks if f.ending.how == "skipped"]
    return out


def document(trial: Trial, *, tool: str = "repro-audit", recorded: str | None = None) -> dict[str, Any]:
    """The trial in the form that this module's head shows. `recorded` is when, for a record that is kept."""
    verdict, reading = trial.diagnosis, trial.reading
    raw = reading.raw if reading is not None else {}
    return {
        "version": 1,
        "tool": tool,
        "recorded": recorded,
        "result": verdict.result,
        "outcome": verdict.outcome,
        "exit_status": verdict.exit_status,
        "link": verdict.link,
        "summary": verdict.summary,
        "evidence": list(verdict.evidence),
        "remedy": list(verdict.remedy),
        "notes": list(trial.notes),
        "not_checked": not_checked(reading),
        "subject": {
            "engine": trial.engine,
            "image": trial.subject,
            "gpus": trial.gpus,
            "looked_with": reading.kind if reading is not None else None,
        },
        "chain": chain(reading) if reading is not None and _has_chain(trial) else [],
        "driver": {
            "release": reading.driver if reading is not None else trial.host.driver,
            "cuda": reading.driver_cuda if reading is not None else None,
        },
        "cuda": reading.image_cuda if reading is not None else None,
        "devices": [_device(device) for device in reading.devices] if reading is not None else [],
        "frameworks": [_framework(f) for f in reading.frameworks] if reading is not None else [],
        "environment": dict(reading.environment) if reading is not None else {},
        "surroundings": {key: raw[key] for key in _SURROUNDINGS if key in raw},
        "host": {
            "gpus": trial.host.gpus,
            "driver": trial.host.driver,
            "cdi": trial.host.cdi,
            "wsl": trial.host.wsl,
        },
        "seconds": round(trial.seconds, 2),
    }


def _has_chain(trial: Trial) -> bool:
    """Whether the chain was tried: not in an image that was only looked at, without a GPU."""
    return trial.gpus and trial.reading is not None and trial.reading.kind == "python" and not trial.reading.error


def _device(device: Any) -> dict[str, Any]:
    keys = ("index", "name", "capability", "memory_bytes", "uuid", "pci")
    return {**{key: getattr(device, key) for key in keys}, "settings": dict(device.settings)}


def _framework(framework: Framework) -> dict[str, Any]:
    return {
        "name": framework.name,
        "version": framework.version,
        "cuda": framework.cuda,
        "cudnn": framework.cudnn,
        "built_with_cuda": framework.built_with_cuda,
        "available": framework.available,
        "devices": framework.devices,
        "architectures": list(framework.architectures),
        "checks": [
            {"name": c.name, "device": c.device, "status": c.status, "detail": _check_detail(c)}
            for c in framework.checks
        ],
        "error": framework.error or None,
        "ended": framework.ending.how,
        "facts": dict(framework.facts),
    }


def _check_detail(check: Check) -> str:
    facts = check.facts
    if check.error:
        return check.error
    if check.name == "compiled":
        by = {"binary": "binary code for it", "ptx": "PTX that the driver compiles for it"}
        return by.get(str(facts.get("by")), "no code for it")
    if check.name == "seed":
        return f"{facts.get('differing')} of {facts.get('numbers')} numbers differ"
    if "largest_error" in facts:
        return f"largest error {facts['largest_error']}"
    return ""


def render_json(trial: Trial, *, tool: str = "repro-audit", recorded: str | None = None) -> str:
    """The document as JSON text with a newline at its end, in ASCII."""
    return json.dumps(document(trial, tool=tool, recorded=recorded), indent=2) + "\n"


def render_text(trial: Trial, *, color: bool = False) -> str:
    """The report for people: the chain step by step, the frameworks, the verdict and what to do."""

    def paint(code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if color else text

    verdict, reading = trial.diagnosis, trial.reading
    out = [paint(_BOLD, f"{_visible(trial.subject)} ({trial.engine})"), ""]
    if reading is not None and _has_chain(trial):
        for row in chain(reading):
            out.append(_line(row, paint))
    for device in reading.devices if reading is not None else ():
        memory = f", {device.memory_bytes / 2**30:.0f} GiB" if device.memory_bytes else ""
        capability = f", compute capability {device.capability}" if device.capability else ""
        out.append(f"  GPU {device.index}: {_visible(device.name)}{capability}{memory}")
        if device.settings:
            out.append("    " + paint(_DIM, _visible(_settings(device.settings))))
    for framework in reading.frameworks if reading is not None else ():
        out += _framework_lines(framework, paint)
    if len(out) > 2:
        out.append("")
    title = OUTCOMES[verdict.outcome][1]
    out.append(f"{paint(_COLORS[verdict.result], title)}: {_visible(verdict.summary)}")
    if verdict.link is not None:
        out.append(f"  broken link: {_TITLES.get(verdict.link, verdict.link)}")
    out += [f"  | {_visible(line)}" for line in verdict.evidence]
    if verdict.remedy:
        out.append(paint(_BOLD, "What to do"))
        out += [f"  - {_visible(step)}" for step in verdict.remedy]
    out += [f"note: {_visible(note)}" for note in trial.notes]
    out += [f"not checked: {_visible(text)}" for text in not_checked(reading)]
    return "\n".join(out) + "\n"


def _line(row: dict[str, Any], paint: Any) -> str:
    device = f" GPU {row['device']}" if row["device"] is not None else ""
    title = f"{_TITLES.get(row['link'], row['link'])}{device}"
    mark = _MARKS.get(row["status"], row["status"])
    color = {"ok": _COLORS["works"], "failed": _COLORS["fails"], "wrong": _COLORS["fails"]}.get(row["status"], _DIM)
    return f"  {title:<22} {paint(color, f'{mark:<7}')} {_visible(row['detail'])}".rstrip()


def _framework_lines(framework: Framework, paint: Any) -> list[str]:
    built = f", built for CUDA {framework.cuda}" if framework.cuda else ""
    if framework.built_with_cuda is False:
        built = f", built for ROCm {framework.hip}" if framework.hip else ", built without CUDA"
    cudnn = f", cuDNN {framework.cudnn}" if framework.cudnn else ""
    sees = (
        f", sees {framework.devices} GPU{'s' if framework.devices != 1 else ''}"
        if framework.devices is not None
        else ""
    )
    out = [f"  {framework.name} {_visible(framework.version or '(unknown version)')}{_visible(built + cudnn)}{sees}"]
    for check in framework.checks:
        out.append("  " + _line(_row(check.name, check.device, check.status, _check_detail(check)), paint))
    if framework.error:
        out.append("    " + paint(_COLORS["fails"], _visible(framework.error)))
    if framework.ending.how != "done":
        out.append(f"    ended: {framework.ending.how} {framework.ending.signal}".rstrip())
    flags = framework.facts.get("flags")
    if isinstance(flags, dict) and flags:
        out.append("    " + paint(_DIM, _visible(", ".join(f"{key}={value}" for key, value in flags.items()))))
    return out


def _settings(settings: Any) -> str:
    """The settings that a number depends on, on one line."""
    parts = []
    named = False
    for key, value in settings.items():
        after = ""
        unit = next((unit for unit in ("mhz", "watts") if key.endswith(f"_{unit}")), "")
        name = key.removesuffix(f"_{unit}").replace("_", " ") if unit else key.replace("_", " ")
        if isinstance(value, dict):
            after = "" if named else f" ({'/'.join(map(str, value))})"
            named, value = True, "/".join(map(str, value.values()))
        elif isinstance(value, bool) or key == "persistence":
            value = "on" if value else "off"
        elif isinstance(value, float):
            value = f"{value:g}"
        parts.append(f"{_SETTINGS.get(name, name)} {value}{_UNITS.get(unit, '')}{after}")
    return ", ".join(parts)


def _visible(text: str) -> str:
    """Text out of a container, without what would steer a terminal, on one line."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", " ", text)
