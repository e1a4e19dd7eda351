"""From a reading of the probe to a verdict: the first link of the chain that does not hold, and why."""

from __future__ import annotations

from repro_audit.knowledge import cuda
from repro_audit.smoke.driver_fault import driver_fault
from repro_audit.smoke.engine_error import Host, too_old
from repro_audit.smoke.framework_fault import framework_fault
from repro_audit.smoke.outcome import OUTCOMES, Diagnosis
from repro_audit.smoke.reading import Reading

_ORDER = {outcome: at for at, outcome in enumerate(OUTCOMES)}


def diagnose(reading: Reading, host: Host, *, on_host: bool = False) -> tuple[Diagnosis, tuple[str, ...]]:
    """The verdict on a reading, and notes on what else was seen.

    A framework built without CUDA is a verdict on the image whether or not there is a GPU; apart from that, the chain
    of the driver comes first, since no framework can be judged below it.
    """
    if reading.error:
        return Diagnosis("no-answer", None, "the probe itself failed", (reading.error,), (_REPORT,)), ()
    faults = [fault for fault in (framework_fault(f, reading) for f in reading.frameworks) if fault is not None]
    without = [fault for fault in faults if fault.outcome == "framework-without-cuda"]
    chain = driver_fault(reading, host, on_host=on_host)
    if reading.frameworks and len(without) == len(reading.frameworks):
        notes = (f"besides: {chain.summary}",) if chain is not None else ()
        return without[0], (*notes, *_other(without[1:]))
    if chain is not None:
        if reading.kind != "python" and not _anything(reading) and chain.outcome in ("no-gpu", "library-missing"):
            return _nothing(reading), (f"besides: {chain.summary}",)
        # What fails at import fails with any driver; what fails later may fail for want of this one.
        unusable = {f"framework {f.name}" for f in reading.frameworks if f.error and f.facts.get("origin")}
        sure = [fault for fault in faults if fault in without or fault.link in unusable]
        return chain, tuple(f"besides: {fault.summary}" for fault in sure)
    # A framework for the processor beside one that works on the GPU is often meant.
    serious = [fault for fault in faults if fault.outcome != "framework-without-cuda"]
    if serious:
        serious.sort(key=lambda fault: _ORDER[fault.outcome])
        return serious[0], (*_other(serious[1:]), *_other(without), *_notes(reading))
    if reading.kind != "python":
        return _without_probe(reading)
    old = _needs_newer(reading)
    if old is not None:
        return old, _notes(reading)
    return Diagnosis("works", None, _works(reading)), (*_other(without), *_notes(reading))


_REPORT = "report this with the output of --format json"


def _other(faults: list[Diagnosis]) -> tuple[str, ...]:
    return tuple(f"also: {fault.summary}" for fault in faults)


def _works(reading: Reading) -> str:
    gpus = f"{len(reading.devices)} GPU{'s' if len(reading.devices) != 1 else ''}"
    tested = [f.name for f in reading.frameworks if f.available and f.ending.how == "done"]
    if tested:
        return f"on {gpus}, from the driver to {' and '.join(tested)}"
    return f"on {gpus} a kernel ran, and its result is right"


def _anything(reading: Reading) -> bool:
    """Whether an image without Python has anything of CUDA's."""
    image = reading.raw.get("image")
    libraries = image.get("libraries") if isinstance(image, dict) else None
    return bool(reading.image_cuda or libraries or reading.devices or reading.frameworks)


def _nothing(reading: Reading) -> Diagnosis:
    looked = {"shell": "the image's shell", "files": "the names of its files"}.get(reading.kind, "the probe")
    return Diagnosis(
        "nothing-to-test",
        None,
        f"it has {reading.no_python}, no framework and no CUDA library",
        (f"this is what {looked} could tell",),
        (
            *_python(reading),
            "name the image that the GPU program runs in: --image NAME, --target STAGE, --service NAME",
        ),
    )


def _python(reading: Reading) -> tuple[str, ...]:
    """How to make a Python that is there, and cannot run the probe, one that can."""
    if reading.raw.get("stuck_pythons"):
        return ("see why it hangs: python3 -v -c pass",)
    if reading.raw.get("poor_pythons"):
        return ("install the whole standard library: apt-get install python3 (python3-minimal lacks ctypes)",)
    return ()


def _without_probe(reading: Reading) -> tuple[Diagnosis, tuple[str, ...]]:
    """An image in which no Python could run the probe: what `nvidia-smi` and the files tell is all."""
    smi = reading.raw.get("nvidia_smi")
    if isinstance(smi, dict) and smi.get("status") == 0 and reading.devices:
        old = _needs_newer(reading)
        if old is not None:
            return old, ()
        text = f"nvidia-smi sees {len(reading.devices)} GPU{'s' if len(reading.devices) != 1 else ''} in the image"
        note = f"the image has {reading.no_python}: no kernel was launched and no memory copied"
        return Diagnosis("works", None, text), (note,)
    if not _anything(reading):
        return _nothing(reading), ()
    return Diagnosis(
        "nothing-to-test",
        None,
        f"it has {reading.no_python} and no nvidia-smi, so nothing in it can be run on the GPU",
        tuple(f"found {line}" for line in _found(reading)),
        (
            *_python(reading),
            "give the container the driver's tools: NVIDIA_DRIVER_CAPABILITIES=compute,utility",
            "or test a stage that has Python: --target STAGE",
        ),
    ), ()


def _found(reading: Reading) -> list[str]:
    image = reading.raw.get("image")
    libraries = image.get("libraries") if isinstance(image, dict) else None
    out = [f"CUDA {reading.image_cuda}"] if reading.image_cuda else []
    if isinstance(libraries, dict):
        out += [f"lib{name} {version}" for name, version in sorted(libraries.items())]
    return out + [f"{f.name} {f.version}" for f in reading.frameworks]


def _needs_newer(reading: Reading) -> Diagnosis | None:
    """The image's CUDA toolkit where the driver is below even minor-version compatibility with it."""
    need = cuda.driver_need(reading.image_cuda) if reading.image_cuda else None
    if need is None or reading.driver is None or reading.frameworks:
        return None
    has = cuda.numbers(reading.driver)
    library = reading.step("library")
    compat = library is not None and "/compat/" in str(library.facts.get("path"))
    if has and has < cuda.numbers(need.least) and not compat:
        return too_old(
            reading.image_cuda or "", reading.driver, (f"driver {reading.driver}, toolkit {reading.image_cuda}",)
        )
    return None


def _notes(reading: Reading) -> tuple[str, ...]:
    notes = []
    wanted = {reading.image_cuda, *(f.cuda for f in reading.frameworks)} - {None}
    for version in sorted(filter(None, wanted)):
        need = cuda.driver_need(version)
        has = cuda.numbers(reading.driver)
        if need and has and cuda.numbers(need.least) <= has < cuda.numbers(need.full):
            notes.append(
                f"CUDA {version} runs on driver {reading.driver} by minor-version compatibility: what compiles PTX"
                f" while it runs (Triton, NVRTC, torch.compile) may need driver {need.full}"
            )
    shared = reading.raw.get("shared_memory_bytes")
    if isinstance(shared, int) and shared <= 64 << 20 and any(f.name == "torch" for f in reading.frameworks):
        notes.append("/dev/shm has 64 MB: data loaders with workers will fail; run with --shm-size 8g or --ipc host")  # noqa: S108
    for step in reading.steps:
        if step.link == "peer" and step.facts.get("access") is False:
            pair = step.facts.get("devices")
            notes.append(f"GPUs {pair} cannot reach each other's memory: copies between them go through the host")
    visible = reading.environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and reading.unhidden is not None and 0 < len(reading.devices) < reading.unhidden:
        notes.append(f"CUDA_VISIBLE_DEVICES={visible} hides some of the container's {reading.unhidden} GPUs")
    if len(reading.devices) > 1 and not _nccl(reading):
        notes.append("several GPUs and no NCCL in the image: frameworks cannot train on them together")
    closed = [node.path for node in reading.nodes if not node.usable]
    if closed:
        notes.append(f"this user may not open {', '.join(closed[:4])}")
    for framework in reading.frameworks:
        compiled = next((c for c in framework.checks if c.name == "compiled"), None)
        if compiled is not None and compiled.facts.get("by") == "ptx":
            notes.append(f"{framework.name} has PTX only for this GPU: the first start compiles for minutes")
    return tuple(notes)


def _nccl(reading: Reading) -> bool:
    image = reading.raw.get("image")
    libraries = image.get("libraries") if isinstance(image, dict) else None
    own = isinstance(libraries, dict) and "nccl" in libraries
    return own or any(f.facts.get("nccl") for f in reading.frameworks)
