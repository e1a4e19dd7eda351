"""Requests for GPUs in every notation, and what makes one invalid.

Called by `facts.containers` and `facts.docker_run`. Faults follow what compose and the Docker daemon refuse.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TYPE_CHECKING

from repro_audit.facts.container import GpuRequest
from repro_audit.source import Source, Span

if TYPE_CHECKING:
    from repro_audit.syntax.compose import DeviceRequest
    from repro_audit.syntax.compose_value import Value

# What moby's nvidia driver answers to, and the words that its images' NVIDIA_DRIVER_CAPABILITIES knows.
CAPABILITIES = frozenset("gpu nvidia compute compat32 graphics utility video display ngx".split())
# Other devices that may be asked for; close to `gpu` as words, and no misspelling of it.
_OTHERS = frozenset("tpu npu fpga".split())
_DRIVERS = ("nvidia", "cdi", "amd")
_KEYS = ("driver", "count", "device_ids", "capabilities", "options")
_ROCM = ("/dev/kfd", "/dev/dri")


def of_device_request(request: DeviceRequest, source: Source, span: Span) -> GpuRequest | None:
    """A compose device request as a GPU request; None where it asks for another kind of device.

    A place in another file than `source` becomes `span`.
    """

    def place(at: Span | None, of: Source) -> Span:
        return at if at is not None and of is source else span

    driver, count = _shown(request.driver), _shown(request.count)
    names = tuple(v.shown for v in request.capabilities or ())
    if request.capabilities and driver is None and not any(_near(n, CAPABILITIES) or "$" in n for n in names):
        return None
    fault: str | None = None
    at: Span | None = None
    for entry in request.unknown:
        near = _near(entry.key.text, _KEYS)
        fault = f"`{entry.key.text}` is no key of a device request" + (f"; did you mean `{near}`?" if near else "")
        at = entry.key.span
    if fault is None and request.form == "reservation" and not request.capabilities:
        what = "is empty" if request.capabilities is not None else "is missing"
        fault, at = f"`capabilities` {what}: compose refuses the reservation without `[gpu]`", request.capabilities_span
    if fault is None and request.device_ids is not None and request.count is not None:
        fault, at = "`count` and `device_ids` exclude each other", request.count.span
    if fault is None:
        fault, at = _names_fault(request)
    if fault is None and count is not None and request.count is not None:
        fault, at = _count_fault(count), request.count.span
    return GpuRequest(
        form=request.form,
        span=place(request.span, request.source),
        driver=driver,
        count=count,
        device_ids=tuple(v.shown for v in request.device_ids) if request.device_ids is not None else None,
        capabilities=names if request.capabilities is not None else None,
        fault=fault,
        fault_span=place(at or request.span, request.source) if fault else None,
    )


def _names_fault(request: DeviceRequest) -> tuple[str | None, Span | None]:
    for value in request.capabilities or ():
        if value.text is not None and value.text not in CAPABILITIES and (near := _near(value.text, CAPABILITIES)):
            return f"no driver offers the capability `{value.text}`; did you mean `{near}`?", value.span
    driver = request.driver
    if driver is not None and driver.text is not None and driver.text not in _DRIVERS:
        if near := _near(driver.text, _DRIVERS):
            return f"there is no device driver `{driver.text}`; did you mean `{near}`?", driver.span
    return None, None


def _count_fault(count: str) -> str | None:
    if "$" in count or count == "all":
        return None
    try:
        number = int(count)
    except ValueError:
        return f"`count` must be a number or `all`, not `{count}`"
    return "`count: 0` asks for no GPU at all" if number == 0 else None


def of_gpus_option(text: str, span: Span) -> GpuRequest:
    """The value of `--gpus`: `all`, a number, or comma-separated fields as `docker run` reads them."""
    driver = count = fault = None
    ids: tuple[str, ...] | None = None
    capabilities: list[str] = []
    try:
        fields = next(csv.reader([text.strip("'").replace('\\"', '"')]), [])
    except csv.Error:
        fields = [text]
    for item in fields:
        key, equals, value = item.partition("=")
        if not equals:
            count = item
        elif key in ("device", "device_ids"):
            ids = tuple(value.split(","))
        elif key == "count":
            count = value
        elif key == "driver":
            driver = value
        elif key == "capabilities":
            capabilities.extend(value.split(","))
        elif key != "options":
            fault = f"`{key}` is no field of --gpus"
    if ids is not None and count is not None:
        fault = "count and device are both set: several devices need quotes, `--gpus '\"device=0,1\"'`"
    elif count is not None and fault is None:
        fault = (_count_fault(count) or "").replace("`count: 0`", "`--gpus 0`").replace("`count`", "--gpus") or None
    names = tuple(capabilities) or None
    return GpuRequest("gpus", span, driver, count, ids, names, fault, span if fault else None)


def of_device(text: str, span: Span) -> GpuRequest | None:
    """A device handed in by path or by its CDI name (`nvidia.com/gpu=all`)."""
    name = text.split(":")[0]
    vendor, equals, which = text.partition("=")
    if equals and "/gpu" in vendor:
        ids = None if which == "all" else (which,)
        return GpuRequest("cdi", span, vendor.split("/")[0], "all" if which == "all" else None, ids)
    if name.startswith("/dev/nvidia"):
        number = name[len("/dev/nvidia") :]
        return GpuRequest("device", span, "nvidia", None, (number,) if number.isdigit() else None)
    if name.rstrip("/") in _ROCM or name.startswith("/dev/dri/"):
        return GpuRequest("device", span, "rocm")
    return None


def of_runtime(text: str | None, span: Span) -> Iterator[GpuRequest]:
    """`runtime: nvidia` gives the GPUs that NVIDIA_VISIBLE_DEVICES names, all by default in CUDA images."""
    if text in ("nvidia", "nvidia-cdi", "nvidia-container-runtime"):
        yield GpuRequest("runtime", span, "nvidia")


def _shown(value: Value | None) -> str | None:
    return value.shown if value is not None else None


def _near(word: str, known: frozenset[str] | tuple[str, ...]) -> str | None:
    if word in known:
        return word
    if word in _OTHERS:
        return None
    import difflib

    found = difflib.get_close_matches(word.lower(), sorted(known), 1, 0.6)
    return found[0] if found else None
