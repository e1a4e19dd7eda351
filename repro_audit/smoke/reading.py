"""The probe's document as data whose shape is known.

The document comes out of an image that nobody vouches for, so every value is checked on the way in; what is not of
the expected kind is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The links of the chain in order. A framework is a link of its own (`framework torch`).
LINKS = ("nodes", "library", "init", "driver", "devices", "context", "kernel", "memory")


@dataclass(slots=True, frozen=True)
class Step:
    """One link of the chain, on one device where it is a device's. `status` is `ok`, `failed` or `wrong`; `code` is
    the driver's error number."""

    link: str
    status: str
    device: int | None = None
    code: int | None = None
    error: str = ""
    function: str = ""
    log: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Ending:
    """How a child of the probe ended: `how` is `done`, `timeout`, `signal`, `exit` or `skipped`; `during` says what it
    was at; `output` is what it and its libraries printed last."""

    how: str = "done"
    during: str = ""
    device: int | None = None
    signal: str = ""
    limit: float | None = None
    output: str = ""


@dataclass(slots=True, frozen=True)
class Check:
    """One test of a framework. `status` is `ok`, `wrong`, `differs`, `failed` or `error`; `error` its exception."""

    name: str
    status: str
    device: int | None = None
    error: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Framework:
    """What one framework said. None where it did not say."""

    name: str
    version: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    built_with_cuda: bool | None = None
    hip: str | None = None
    available: bool | None = None
    devices: int | None = None
    architectures: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    error: str = ""
    ending: Ending = Ending()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Device:
    """A GPU as CUDA numbers it, with NVML's settings of the same GPU in `settings`."""

    index: int
    name: str
    capability: str | None = None
    memory_bytes: int | None = None
    uuid: str | None = None
    pci: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Node:
    """A device node, and whether the container's user may open it."""

    path: str
    usable: bool


@dataclass(slots=True, frozen=True)
class Reading:
    """All that one run of the probe said. `kind` is `python`, `shell` or `files`: how it could look."""

    kind: str
    nodes: tuple[Node, ...] = ()
    steps: tuple[Step, ...] = ()
    ending: Ending = Ending()
    devices: tuple[Device, ...] = ()
    unhidden: int | None = None
    driver: str | None = None
    driver_cuda: str | None = None
    image_cuda: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    frameworks: tuple[Framework, ...] = ()
    error: str = ""
    wsl: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)

    def step(self, link: str, device: int | None = None) -> Step | None:
        """The step of this link, of this device if one is given."""
        return next((s for s in self.steps if s.link == link and (device is None or s.device == device)), None)

    @property
    def no_python(self) -> str:
        """Why no Python of the image could run the probe, for after `the image has`."""
        for key, why in (
            ("stuck_pythons", "a Python that does not answer"),
            ("poor_pythons", "a Python without the modules ctypes and json"),
            ("old_pythons", "no Python of 3.6 or newer"),
        ):
            paths = [path for path in _list(self.raw.get(key)) if isinstance(path, str)]
            if paths:
                return f"{why} ({', '.join(paths[:3])})"
        return "no Python of 3.6 or newer"


def read(document: Mapping[str, Any]) -> Reading:
    """The document of `smoke.launch` as a `Reading`; any JSON object is accepted."""
    driver = _mapping(document.get("driver"))
    nvml = [_mapping(step) for step in _list(_mapping(document.get("nvml")).get("steps"))]
    smi = [_mapping(row) for row in _list(_mapping(document.get("nvidia_smi")).get("devices"))]
    said = [_mapping(step) for step in _list(driver.get("steps"))]
    steps = tuple(_step(step) for step in said if _text(step.get("step")) and _text(step.get("status")))
    image = _mapping(document.get("image"))
    released = next((_text(step.get("driver")) for step in nvml if step.get("step") == "nvml"), None)
    version = next((_text(step.get("cuda")) for step in said if step.get("step") == "driver"), None)
    return Reading(
        kind=_text(document.get("kind")) or "python",
        nodes=tuple(
            Node(path, bool(node.get("usable")))
            for node in map(_mapping, _list(document.get("nodes")))
            if (path := _text(node.get("path")))
        ),
        steps=steps,
        ending=_ending(driver, said),
        devices=_devices(said, nvml) or _listed(smi),
        unhidden=_number(document.get("unhidden")),
        driver=_text(document.get("kernel_driver"))
        or released
        or next((_text(row.get("driver_version")) for row in smi), None),
        driver_cuda=version,
        image_cuda=_text(image.get("cuda")),
        environment={k: v for k, v in _mapping(document.get("environment")).items() if isinstance(v, str)},
        frameworks=tuple(
            _framework(f) for f in map(_mapping, _list(document.get("frameworks"))) if _text(f.get("name"))
        ),
        error=_failure(document.get("error")),
        wsl=bool(document.get("wsl")),
        raw=document,
    )


def _step(said: Mapping[str, Any]) -> Step:
    error = _mapping(said.get("error"))
    text = " ".join(filter(None, (_text(error.get("name")), _text(error.get("message")))))
    plain = _text(said.get("error")) or ""
    taken = ("step", "status", "device", "error", "function", "log")
    return Step(
        link=_text(said.get("step")) or "",
        status=_text(said.get("status")) or "",
        device=_number(said.get("device")),
        code=_number(error.get("code")),
        error=text or plain,
        function=_text(said.get("function")) or "",
        log=_text(said.get("log")) or "",
        facts={k: v for k, v in said.items() if k not in taken},
    )


def _ending(record: Mapping[str, Any], said: list[Mapping[str, Any]]) -> Ending:
    begun: Mapping[str, Any] = next((step for step in reversed(said) if "begin" in step), {})
    limit = record.get("limit")
    return Ending(
        how=_text(record.get("ended")) or "done",
        during=_text(record.get("during")) or _text(begun.get("begin")) or "",
        device=_number(begun.get("device")),
        signal=_text(record.get("signal")) or "",
        limit=float(limit) if isinstance(limit, (int, float)) else None,
        output=_text(record.get("output")) or "",
    )


def _devices(said: list[Mapping[str, Any]], nvml: list[Mapping[str, Any]]) -> tuple[Device, ...]:
    settings = {_text(step.get("uuid")): step for step in nvml if step.get("step") == "nvml-device"}
    out = []
    for step in said:
        index = _number(step.get("device"))
        if step.get("step") != "device" or step.get("status") != "ok" or index is None:
            continue
        uuid = _text(step.get("uuid"))
        own = {k: v for k, v in _mapping(settings.get(uuid)).items() if k not in ("step", "index", "uuid", "name")}
        out.append(
            Device(
                index=index,
                name=_text(step.get("name")) or "unnamed",
                capability=_text(step.get("capability")),
                memory_bytes=_number(step.get("memory_bytes")),
                uuid=uuid,
                pci=_text(step.get("pci")),
                settings=own,
            )
        )
    return tuple(out)


def _listed(rows: list[Mapping[str, Any]]) -> tuple[Device, ...]:
    """The devices that `nvidia-smi` listed."""
    return tuple(
        Device(index, _text(row.get("name")) or "unnamed", uuid=_text(row.get("uuid")), pci=_text(row.get("pci")))
        for index, row in enumerate(rows)
    )


def _framework(said: Mapping[str, Any]) -> Framework:
    known = ("name", "version", "cuda", "cudnn", "built_with_cuda", "hip", "available", "devices", "architectures")
    rest = ("checks", "error", "ended", "output", "signal", "status", "limit", "during", "seconds")
    built = said.get("built_with_cuda")
    available = said.get("available")
    return Framework(
        name=_text(said.get("name")) or "",
        version=_text(said.get("version")),
        cuda=_text(said.get("cuda")),
        cudnn=_text(said.get("cudnn")),
        built_with_cuda=built if isinstance(built, bool) else None,
        hip=_text(said.get("hip")),
        available=available if isinstance(available, bool) else None,
        devices=_number(said.get("devices")),
        architectures=tuple(a for a in _list(said.get("architectures")) if isinstance(a, str)),
        checks=tuple(_check(c) for c in map(_mapping, _list(said.get("checks"))) if _text(c.get("name"))),
        error=_failure(said.get("error")),
        ending=_ending(said, []),
        facts={k: v for k, v in said.items() if k not in known and k not in rest},
    )


def _check(said: Mapping[str, Any]) -> Check:
    return Check(
        name=_text(said.get("name")) or "",
        status=_text(said.get("status")) or "error",
        device=_number(said.get("device")),
        error=_failure(said.get("error")),
        facts={k: v for k, v in said.items() if k not in ("name", "status", "device", "error")},
    )


def _failure(said: object) -> str:
    """An exception on one line, with the messages of its causes."""
    error = _mapping(said)
    if not error:
        return ""
    head = f"{_text(error.get('type')) or 'Error'}: {_text(error.get('message')) or ''}".strip()
    return "; caused by ".join([head, *(cause for cause in _list(error.get("causes")) if isinstance(cause, str))])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    if isinstance(value, str) and value:
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
