# ruff: noqa: UP006, UP035, UP045, B023, N818, PLW0108, S112
"""The GPU probe: one file of standard library, run by whatever Python 3.6 or newer an image has, and never installed.

`smoke.launch` hands it over on standard input (`python -`) or as a read-only file. It prints one line with a JSON
document after a marker and always exits 0; what the document means is judged outside, by `smoke.diagnosis`.

Everything that can crash or hang runs in a forked child that reports each step as it is done: the driver, NVML, and
each framework. So a segmentation fault in one loses one step, and this process never loads a library of NVIDIA's.
"""

import sys

if sys.path and sys.path[0] in ("", "."):
    del sys.path[0]  # the working directory of an image may hold a `json.py` or a `torch` of its own

try:
    import ctypes
    import importlib.util
    import json
    import os
    import platform
    import re
    import select
    import shutil
    import signal
    import struct
    import subprocess
    import time
    import traceback
    import zlib
    from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple
except ImportError:
    # Debian's python3-minimal has neither ctypes nor json: what it says is put together by hand.
    sys.stdout.write('\n@@repro-audit-probe@@ {"probe": 1, "kind": "files", "poor_pythons": ["python3"]}\n')
    sys.stdout.flush()
    sys.exit(0)

MARK = "@@repro-audit-probe@@"
FRAMEWORKS = ("torch", "tensorflow", "jax", "cupy")
ELEMENTS = 4099  # no multiple of the block: the last block must stop at the end
BLOCK = 128
COPY_BYTES = 1 << 20

# out[i] = factor * x[i] + y[i] in 32-bit integers. An old target, so that every driver since CUDA 9 compiles it for
# every GPU since Maxwell, those that came after the driver's time included.
PTX = b"""
.version 6.0
.target sm_50
.address_size 64

.visible .entry repro_audit_axpy(
    .param .u64 p_x,
    .param .u64 p_y,
    .param .u64 p_out,
    .param .u32 p_count,
    .param .u32 p_factor
)
{
    .reg .pred %p<2>;
    .reg .b32 %r<10>;
    .reg .b64 %rd<12>;

    ld.param.u64 %rd1, [p_x];
    ld.param.u64 %rd2, [p_y];
    ld.param.u64 %rd3, [p_out];
    ld.param.u32 %r1, [p_count];
    ld.param.u32 %r2, [p_factor];
    mov.u32 %r3, %ctaid.x;
    mov.u32 %r4, %ntid.x;
    mov.u32 %r5, %tid.x;
    mad.lo.s32 %r6, %r3, %r4, %r5;
    setp.ge.u32 %p1, %r6, %r1;
    @%p1 bra DONE;
    cvta.to.global.u64 %rd4, %rd1;
    cvta.to.global.u64 %rd5, %rd2;
    cvta.to.global.u64 %rd6, %rd3;
    mul.wide.u32 %rd7, %r6, 4;
    add.s64 %rd8, %rd4, %rd7;
    add.s64 %rd9, %rd5, %rd7;
    add.s64 %rd10, %rd6, %rd7;
    ld.global.u32 %r7, [%rd8];
    ld.global.u32 %r8, [%rd9];
    mad.lo.s32 %r9, %r7, %r2, %r8;
    st.global.u32 [%rd10], %r9;
DONE:
    ret;
}
\0"""

_SHOWN = re.compile(
    r"(?:CUDA|CUDNN|CUBLAS|NVIDIA|NCCL|NV|TF|XLA|JAX|PYTORCH|TORCH|CUPY|TENSORFLOW)_\w+"
    r"|LD_LIBRARY_PATH|LD_PRELOAD|PYTHONHASHSEED|PYTHONPATH|OMP_NUM_THREADS|MKL_NUM_THREADS|VIRTUAL_ENV|CONDA_PREFIX"
)
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|PRIVATE", re.I)
_ADDRESS_SECRET = re.compile(r"://[^/@\s]+@")
# Tokens that tell by their beginning what they are, in a variable of whatever name.
_TOKEN = re.compile(r"\b(?:hf_|gh[pousr]_|github_pat_|glpat-|nvapi-|sk-|xox[abp]-|AKIA|eyJ)[\w.+/-]{8,}")
_LIBRARY_PLACES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/lib64",
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/local/cuda/compat",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/run/opengl-driver/lib",
)

Say = Callable[[Dict[str, Any]], None]
_END = b"end\n"


class Broken(Exception):
    """A link of the chain does not hold; the step that says so was already reported."""


# --- children -------------------------------------------------------------------------------------------------------


def in_child(work: Callable[[Say], None], limit: float) -> Dict[str, Any]:
    """Run `work` in a forked child for at most `limit` seconds.

    Gives `steps` (what the child said, in order) and how it ended: `ended` is "done", "timeout", "signal" or "exit".
    What the child and its libraries print goes to `output`, its last 6000 characters.
    """
    said_r, said_w = os.pipe()
    out_r, out_w = os.pipe()
    started = time.time()
    pid = os.fork()
    if pid == 0:
        status = 0
        try:
            os.setsid()  # so that what it starts dies with it
            os.close(said_r)
            os.close(out_r)
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(out_w, 1)
            os.dup2(out_w, 2)
            import faulthandler

            faulthandler.enable(file=2)

            def say(step: Dict[str, Any]) -> None:
                data = (json.dumps(step) + "\n").encode("ascii")
                while data:
                    data = data[os.write(said_w, data) :]

            try:
                work(say)
            except Broken:
                pass
            except BaseException as error:
                say({"step": "error", "error": describe(error)})
            os.write(said_w, _END)
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            except Exception:
                status = 1
        finally:
            os._exit(status)  # no clean-up of a CUDA library may hang or crash after the answer is out
    os.close(said_w)
    os.close(out_w)
    said, output, late = _listen(pid, said_r, out_r, started + limit)
    code = _reap(pid)
    steps: List[Dict[str, Any]] = []
    for line in said.split(b"\n"):
        try:
            step = json.loads(line.decode("ascii"))
        except ValueError:
            continue
        if isinstance(step, dict):
            steps.append(step)
    result: Dict[str, Any] = {"steps": steps, "seconds": round(time.time() - started, 3)}
    result["output"] = printable(output.decode("utf-8", "replace"))[-6000:]
    if said.endswith(_END):
        result["ended"] = "done"
    elif late:
        result["ended"] = "timeout"
        result["limit"] = round(limit, 1)
    elif code < 0:
        result["ended"] = "signal"
        result["signal"] = _signal_name(-code)
    else:
        result["ended"] = "exit"
        result["status"] = code
    return result


def _listen(pid: int, said: int, output: int, until: float) -> Tuple[bytes, bytes, bool]:
    """What arrives at both ends until the child closes them, or until it is killed because its time is over."""
    texts = {said: b"", output: b""}
    waiting = [said, output]
    late = closing = False
    while waiting:
        left = until - time.time()
        if left <= 0:
            late = not closing
            _kill(pid)
            break
        for end in select.select(waiting, [], [], min(left, 1.0))[0]:
            data = os.read(end, 65536)
            if data:
                texts[end] = (texts[end] + data)[-4000000:]
            else:
                waiting.remove(end)
        if not closing and (said not in waiting or texts[said].endswith(_END)):
            # The answer is out; what the child left running may hold the ends open for longer than that matters.
            closing = True
            until = min(until, time.time() + 1.0)
    os.close(said)
    os.close(output)
    return texts[said], texts[output], late


def _kill(pid: int) -> None:
    for kill, target in ((os.killpg, pid), (os.kill, pid)):
        try:
            kill(target, signal.SIGKILL)
        except OSError:
            pass


def _reap(pid: int) -> int:
    """The exit status of a child, negative for a signal. A child stuck in the kernel is left to its fate."""
    until = time.time() + 5.0
    while True:
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except OSError:
            return 0
        if found == pid:
            _kill(pid)  # what it left running in its group
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if time.time() > until:
            _kill(pid)
            if time.time() > until + 2.0:
                return -int(signal.SIGKILL)
        time.sleep(0.01)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def describe(error: BaseException) -> Dict[str, Any]:
    """An exception as data: its kind, its message, the innermost frames and the messages of what caused it."""
    causes: List[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < 4:
        causes.append(f"{type(cause).__name__}: {_short(cause)}")
        cause = cause.__cause__ or cause.__context__
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return {
        "type": type(error).__name__,
        "message": _short(error),
        "causes": causes,
        "at": [f"{frame[0]}:{frame[1]} in {frame[2]}" for frame in frames],
    }


def _short(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(no message)"
    text = printable(text)
    return text if len(text) <= 1500 else text[:1000] + " ... " + text[-450:]


def printable(text: str) -> str:
    """Text without control characters and without what looks like a secret; it may come from a library's log."""
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", text)
    return _TOKEN.sub("(hidden)", _ADDRESS_SECRET.sub("://(hidden)@", text))


# --- the driver -----------------------------------------------------------------------------------------------------


def nodes() -> List[Dict[str, Any]]:
    """The device nodes through which a driver is reached, and whether this user may open them."""
    found: List[Dict[str, Any]] = []
    try:
        names = sorted(os.listdir("/dev"))
    except OSError:
        names = []
    for name in names:
        if re.match(r"nvidia|nvhost-|nvmap$|dxg$", name):
            path = "/dev/" + name
            if os.path.isdir(path):
                continue
            found.append({"path": path, "usable": os.access(path, os.R_OK | os.W_OK)})
    return found


def mapped(name: str) -> Optional[str]:
    """From which file a library of this name was loaded into this process."""
    try:
        with open("/proc/self/maps", "rb") as maps:
            for line in maps:
                path = line.split(None, 5)[5:]
                if path and os.path.basename(path[0].strip()).startswith(name.encode("ascii")):
                    return path[0].strip().decode("utf-8", "replace")
    except OSError:
        pass
    return None


def load(soname: str) -> Tuple[Any, Dict[str, Any]]:
    """A driver library, and where it was found: by the loader, or only beside its paths, or not at all."""
    stem = soname.split(".so")[0] + ".so"
    try:
        library = ctypes.CDLL(soname)
        return library, {"status": "ok", "library": soname, "path": mapped(stem), "found": "loader"}
    except OSError as error:
        reason = printable(str(error))
    beside = []
    for place in _LIBRARY_PLACES:
        path = os.path.join(place, soname)
        if os.path.exists(path):
            beside.append(path)
    broken = ""
    for path in beside:
        try:
            library = ctypes.CDLL(path)
            return library, {"status": "ok", "library": soname, "path": path, "found": "beside", "error": reason}
        except OSError as error:
            broken = printable(str(error))
    return None, {"status": "failed", "library": soname, "found": beside, "error": broken or reason}


class Driver:
    """libcuda through ctypes. `call` raises `Broken` after reporting when a function fails."""

    def __init__(self, library: Any, say: Say) -> None:
        self.library = library
        self.say = say

    def has(self, name: str) -> bool:
        return hasattr(self.library, name)

    def code(self, names: str, *arguments: Any) -> int:
        """Calls the first of several names (newest first) that this driver has."""
        for name in names.split():
            function = getattr(self.library, name, None)
            if function is not None:
                function.restype = ctypes.c_int
                return int(function(*arguments))
        return -1

    def error(self, code: int) -> Dict[str, Any]:
        if code == -1:
            return {"code": -1, "name": "missing function", "message": "the driver library lacks this function"}
        said: Dict[str, Any] = {"code": code, "name": "", "message": ""}
        for key, name in (("name", "cuGetErrorName"), ("message", "cuGetErrorString")):
            text = ctypes.c_char_p()
            if self.has(name) and self.code(name, ctypes.c_int(code), ctypes.byref(text)) == 0 and text.value:
                said[key] = text.value.decode("utf-8", "replace")
        return said

    def call(self, step: Dict[str, Any], names: str, *arguments: Any) -> None:
        code = self.code(names, *arguments)
        if code != 0:
            step = dict(step)
            step.update(status="failed", function=names.split()[0], error=self.error(code))
            self.say(step)
            raise Broken()


def driver_chain(say: Say) -> None:
    """Library, cuInit, version, devices, and for each device context, kernel and copies."""
    say({"begin": "library"})
    library, step = load("libcuda.so.1")
    step["step"] = "library"
    say(step)
    if library is None:
        return
    cuda = Driver(library, say)
    say({"begin": "init"})
    cuda.call({"step": "init"}, "cuInit", ctypes.c_uint(0))
    say({"step": "init", "status": "ok"})
    version = ctypes.c_int()
    cuda.call({"step": "driver"}, "cuDriverGetVersion", ctypes.byref(version))
    say({"step": "driver", "status": "ok", "cuda": f"{version.value // 1000}.{version.value % 1000 // 10}"})
    say({"begin": "devices"})
    count = ctypes.c_int()
    cuda.call({"step": "devices"}, "cuDeviceGetCount", ctypes.byref(count))
    step = {"step": "devices", "status": "ok" if count.value else "failed", "count": count.value}
    say(step)
    handles: List[Tuple[int, ctypes.c_int]] = []
    for index in range(count.value):
        handle = ctypes.c_int()
        try:
            cuda.call({"step": "device", "device": index}, "cuDeviceGet", ctypes.byref(handle), ctypes.c_int(index))
            say(dict(device_facts(cuda, handle), step="device", device=index, status="ok"))
            handles.append((index, handle))
        except Broken:
            continue
    for index, handle in handles:
        try:
            device_test(cuda, index, handle)
        except Broken:
            continue
    for index, handle in handles:
        for other, second in handles:
            if index < other and cuda.has("cuDeviceCanAccessPeer"):
                can = ctypes.c_int()
                code = cuda.code("cuDeviceCanAccessPeer", ctypes.byref(can), handle, second)
                say(
                    {"step": "peer", "status": "ok", "devices": [index, other], "access": bool(can.value) and code == 0}
                )


_ATTRIBUTES = (
    ("multiprocessors", 16),
    ("clock_khz", 13),
    ("memory_clock_khz", 36),
    ("ecc", 32),
    ("compute_mode", 20),
    ("integrated", 18),
)


def device_facts(cuda: Driver, handle: ctypes.c_int) -> Dict[str, Any]:
    """Name, compute capability, memory, UUID and PCI address of a device."""

    def attribute(number: int) -> Optional[int]:
        value = ctypes.c_int()
        code = cuda.code("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(number), handle)
        return value.value if code == 0 else None

    facts: Dict[str, Any] = {}
    text = ctypes.create_string_buffer(256)
    if cuda.code("cuDeviceGetName", text, ctypes.c_int(255), handle) == 0:
        facts["name"] = printable(text.value.decode("utf-8", "replace"))
    major, minor = attribute(75), attribute(76)
    facts["capability"] = None if major is None or minor is None else f"{major}.{minor}"
    size = ctypes.c_size_t()
    if cuda.code("cuDeviceTotalMem_v2 cuDeviceTotalMem", ctypes.byref(size), handle) == 0:
        facts["memory_bytes"] = size.value
    uuid = (ctypes.c_ubyte * 16)()
    if cuda.code("cuDeviceGetUuid_v2 cuDeviceGetUuid", uuid, handle) == 0:
        digits = "".join(f"{byte:02x}" for byte in uuid)
        facts["uuid"] = "GPU-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    pci = ctypes.create_string_buffer(32)
    if cuda.code("cuDeviceGetPCIBusId", pci, ctypes.c_int(31), handle) == 0:
        facts["pci"] = pci.value.decode("ascii", "replace")
    for name, number in _ATTRIBUTES:
        value = attribute(number)
        if value is not None:
            facts[name] = value
    return facts


def device_test(cuda: Driver, index: int, handle: ctypes.c_int) -> None:
    """A context on one device, the kernel in it, and a copy to the device and back."""
    say = cuda.say
    step: Dict[str, Any] = {"step": "context", "device": index}
    say({"begin": "context", "device": index})
    context = ctypes.c_void_p()
    code = cuda.code("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
    how = "primary"
    if code == -1:
        how = "created"
        cuda.call(step, "cuCtxCreate_v2", ctypes.byref(context), ctypes.c_uint(0), handle)
    elif code != 0:
        say(dict(step, status="failed", function="cuDevicePrimaryCtxRetain", error=cuda.error(code)))
        raise Broken()
    if how == "primary":
        cuda.call(step, "cuCtxSetCurrent", context)
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    if cuda.code("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total)) == 0:
        step["memory_free_bytes"] = free.value
        step["memory_bytes"] = total.value
    say(dict(step, status="ok", how=how))
    try:
        kernel_test(cuda, index)
    except Broken:
        pass
    memory_test(cuda, index)
    if how == "primary":
        cuda.code("cuDevicePrimaryCtxRelease_v2 cuDevicePrimaryCtxRelease", handle)
    else:
        cuda.code("cuCtxDestroy_v2", context)


def allocated(cuda: Driver, step: Dict[str, Any], size: int) -> ctypes.c_uint64:
    pointer = ctypes.c_uint64()
    cuda.call(step, "cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
    return pointer


def kernel_test(cuda: Driver, index: int) -> None:
    """Compile the PTX, launch it over ELEMENTS integers, and compare every one with what Python computes."""
    say = cuda.say
    step: Dict[str, Any] = {"step": "kernel", "device": index}
    say({"begin": "kernel", "device": index})
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    log = ctypes.create_string_buffer(4096)
    options = (ctypes.c_int * 2)(5, 6)  # CU_JIT_ERROR_LOG_BUFFER and its size
    values = (ctypes.c_void_p * 2)(ctypes.addressof(log), 4096)
    started = time.time()
    code = cuda.code(
        "cuModuleLoadDataEx", ctypes.byref(module), ctypes.c_char_p(PTX), ctypes.c_uint(2), options, values
    )
    if code == -1:
        code = cuda.code("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(PTX))
    if code != 0:
        said = printable(log.value.decode("utf-8", "replace")).strip()[:1500]
        say(dict(step, status="failed", function="cuModuleLoadDataEx", error=cuda.error(code), log=said))
        raise Broken()
    compiled = time.time() - started
    cuda.call(step, "cuModuleGetFunction", ctypes.byref(function), module, ctypes.c_char_p(b"repro_audit_axpy"))
    factor = 2654435761
    x = [(i * 40503 + 7) & 0xFFFFFFFF for i in range(ELEMENTS)]
    y = [(i * i) & 0xFFFFFFFF for i in range(ELEMENTS)]
    shape = f"<{ELEMENTS}I"
    size = 4 * ELEMENTS
    pointers: List[ctypes.c_uint64] = []
    try:
        for numbers in (x, y, [0xDEADBEEF] * ELEMENTS):
            pointer = allocated(cuda, step, size)
            pointers.append(pointer)
            data = struct.pack(shape, *numbers)
            cuda.call(step, "cuMemcpyHtoD_v2", pointer, ctypes.c_char_p(data), ctypes.c_size_t(size))
        count, times = ctypes.c_uint(ELEMENTS), ctypes.c_uint(factor)
        arguments = (ctypes.c_void_p * 5)(
            *[ctypes.cast(ctypes.byref(each), ctypes.c_void_p) for each in [*pointers, count, times]]
        )
        grid = (ELEMENTS + BLOCK - 1) // BLOCK
        one, zero = ctypes.c_uint(1), ctypes.c_uint(0)
        cuda.call(
            step,
            "cuLaunchKernel",
            function,
            *([ctypes.c_uint(grid), one, one, ctypes.c_uint(BLOCK), one, one, zero, None, arguments, None]),
        )
        cuda.call(step, "cuCtxSynchronize")
        back = ctypes.create_string_buffer(size)
        cuda.call(step, "cuMemcpyDtoH_v2", back, pointers[2], ctypes.c_size_t(size))
    finally:
        for pointer in pointers:
            cuda.code("cuMemFree_v2", pointer)
        cuda.code("cuModuleUnload", module)
    got = struct.unpack(shape, back.raw)
    want = [(factor * a + b) & 0xFFFFFFFF for a, b in zip(x, y)]
    wrong = [i for i in range(ELEMENTS) if got[i] != want[i]]
    step.update(elements=ELEMENTS, wrong=len(wrong), compile_seconds=round(compiled, 3))
    if wrong:
        step["first_wrong"] = {"element": wrong[0], "got": got[wrong[0]], "expected": want[wrong[0]]}
    say(dict(step, status="wrong" if wrong else "ok"))


def memory_test(cuda: Driver, index: int) -> None:
    """A megabyte to the device and back, compared by checksum."""
    say = cuda.say
    step: Dict[str, Any] = {"step": "memory", "device": index}
    say({"begin": "memory", "device": index})
    data = bytes(bytearray((i * 131 + (i >> 8) * 17 + 5) & 0xFF for i in range(4096))) * (COPY_BYTES // 4096)
    pointer = allocated(cuda, step, COPY_BYTES)
    back = ctypes.create_string_buffer(COPY_BYTES)
    try:
        cuda.call(step, "cuMemcpyHtoD_v2", pointer, ctypes.c_char_p(data), ctypes.c_size_t(COPY_BYTES))
        cuda.call(step, "cuMemcpyDtoH_v2", back, pointer, ctypes.c_size_t(COPY_BYTES))
    finally:
        cuda.code("cuMemFree_v2", pointer)
    sent, got = zlib.crc32(data) & 0xFFFFFFFF, zlib.crc32(back.raw) & 0xFFFFFFFF
    step.update(bytes=COPY_BYTES, sent=f"{sent:08x}", received=f"{got:08x}")
    say(dict(step, status="ok" if sent == got else "wrong"))


def visible_count(say: Say) -> None:
    """How many devices there are without CUDA_VISIBLE_DEVICES."""
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    library, _ = load("libcuda.so.1")
    count = ctypes.c_int()
    if library is not None and library.cuInit(ctypes.c_uint(0)) == 0:
        library.cuDeviceGetCount(ctypes.byref(count))
    say({"step": "unhidden", "count": count.value})


def nvml_facts(say: Say) -> None:
    """Driver release and the settings of each GPU that a number depends on: clocks, persistence, ECC, power."""
    library, step = load("libnvidia-ml.so.1")
    step["step"] = "nvml"
    if library is None:
        say(step)
        return
    nvml = Driver(library, say)
    code = nvml.code("nvmlInit_v2 nvmlInit")
    if code != 0:
        text = ""
        if nvml.has("nvmlErrorString"):
            library.nvmlErrorString.restype = ctypes.c_char_p
            text = (library.nvmlErrorString(ctypes.c_int(code)) or b"").decode("utf-8", "replace")
        say(dict(step, status="failed", error={"code": code, "name": "nvmlInit", "message": printable(text)}))
        return
    text_buffer = ctypes.create_string_buffer(96)
    if nvml.code("nvmlSystemGetDriverVersion", text_buffer, ctypes.c_uint(96)) == 0:
        step["driver"] = printable(text_buffer.value.decode("ascii", "replace"))
    number = ctypes.c_int()
    if nvml.code("nvmlSystemGetCudaDriverVersion_v2 nvmlSystemGetCudaDriverVersion", ctypes.byref(number)) == 0:
        step["cuda"] = f"{number.value // 1000}.{number.value % 1000 // 10}"
    count = ctypes.c_uint()
    nvml.code("nvmlDeviceGetCount_v2 nvmlDeviceGetCount", ctypes.byref(count))
    say(dict(step, status="ok", count=count.value))
    for index in range(count.value):
        handle = ctypes.c_void_p()
        code = nvml.code(
            "nvmlDeviceGetHandleByIndex_v2 nvmlDeviceGetHandleByIndex", ctypes.c_uint(index), ctypes.byref(handle)
        )
        if code == 0:
            say(dict(nvml_device(nvml, handle), step="nvml-device", index=index))


_CLOCKS = (("graphics", 0), ("sm", 1), ("memory", 2))


def nvml_device(nvml: Driver, handle: ctypes.c_void_p) -> Dict[str, Any]:
    """One GPU's settings. Clocks are in MHz, power in watts."""
    facts: Dict[str, Any] = {}

    def word(key: str, name: str) -> None:
        buffer = ctypes.create_string_buffer(128)
        if nvml.code(name, handle, buffer, ctypes.c_uint(128)) == 0:
            facts[key] = printable(buffer.value.decode("utf-8", "replace"))

    def number(key: str, name: str, scale: float = 1.0) -> None:
        value = ctypes.c_uint()
        if nvml.code(name, handle, ctypes.byref(value)) == 0:
            facts[key] = value.value if scale == 1.0 else round(value.value * scale, 1)

    word("name", "nvmlDeviceGetName")
    word("uuid", "nvmlDeviceGetUUID")
    word("vbios", "nvmlDeviceGetVbiosVersion")
    number("persistence", "nvmlDeviceGetPersistenceMode")
    number("compute_mode", "nvmlDeviceGetComputeMode")
    number("power_limit_watts", "nvmlDeviceGetEnforcedPowerLimit", 0.001)
    number("performance_state", "nvmlDeviceGetPerformanceState")
    for prefix, name in (
        ("clocks", "nvmlDeviceGetClockInfo"),
        ("max_clocks", "nvmlDeviceGetMaxClockInfo"),
        ("application_clocks", "nvmlDeviceGetApplicationsClock"),
    ):
        clocks: Dict[str, int] = {}
        for key, kind in _CLOCKS:
            value = ctypes.c_uint()
            if nvml.code(name, handle, ctypes.c_int(kind), ctypes.byref(value)) == 0:
                clocks[key] = value.value
        if clocks:
            facts[prefix + "_mhz"] = clocks
    for key, name in (("ecc", "nvmlDeviceGetEccMode"), ("mig", "nvmlDeviceGetMigMode")):
        now, pending = ctypes.c_uint(), ctypes.c_uint()
        if nvml.code(name, handle, ctypes.byref(now), ctypes.byref(pending)) == 0:
            facts[key] = bool(now.value)
    return facts


# --- frameworks -----------------------------------------------------------------------------------------------------

SIDE = 48


def matrices() -> Tuple[List[List[float]], List[List[float]], List[List[float]]]:
    """Two matrices and their product. Every entry is a small multiple of 1/8, so that the product is exact in every
    precision a GPU may choose (TF32 and bfloat16 inputs included) and must be met exactly."""
    left = [[((i * 7 + j * 3) % 17 - 8) / 8.0 for j in range(SIDE)] for i in range(SIDE)]
    right = [[((i * 5 + j * 11) % 15 - 7) / 8.0 for j in range(SIDE)] for i in range(SIDE)]
    columns = list(zip(*right))
    return left, right, [[sum(a * b for a, b in zip(row, column)) for column in columns] for row in left]


def compared(got: Sequence[Sequence[float]], want: Sequence[Sequence[float]]) -> Dict[str, Any]:
    worst, at = 0.0, (0, 0)
    for i, row in enumerate(want):
        for j, value in enumerate(row):
            off = abs(float(got[i][j]) - value)
            if worst == worst and not off <= worst:  # the first that is no number counts as the worst
                worst, at = off, (i, j)
    fine = worst <= 1e-5
    result: Dict[str, Any] = {"status": "ok" if fine else "wrong", "largest_error": worst if worst == worst else "nan"}
    if not fine:
        result["first_wrong"] = {
            "element": list(at),
            "got": repr(float(got[at[0]][at[1]])),
            "expected": want[at[0]][at[1]],
        }
    return result


def flat(values: Any) -> List[float]:
    """A framework's array as Python numbers."""
    numbers = values.tolist()
    out: List[float] = []
    stack = [numbers]
    while stack:
        item = stack.pop()
        if isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
        else:
            out.append(float(item))
    return out


class Framework:
    """What a framework's test reports through: facts that merge into one record, and checks that come one by one."""

    def __init__(self, say: Say) -> None:
        self.say = say

    def facts(self, **facts: Any) -> None:
        self.say({"facts": facts})

    def optional(self, key: str, read: Callable[[], Any]) -> Any:
        """A fact that not every version of a framework can tell."""
        try:
            value = read()
        except Exception:
            return None
        if value is not None:
            self.facts(**{key: value})
        return value

    def check(self, name: str, device: Optional[int], test: Callable[[], Dict[str, Any]]) -> None:
        self.say({"begin": name, "device": device})
        try:
            result = test()
        except Exception as error:
            result = {"status": "error", "error": describe(error)}
        self.say({"check": dict(result, name=name, device=device)})


def same_numbers(draw: Callable[[], Any]) -> Dict[str, Any]:
    first, second = flat(draw()), flat(draw())
    differing = sum(1 for a, b in zip(first, second) if a != b and not (a != a and b != b))
    return {"status": "ok" if not differing else "differs", "numbers": len(first), "differing": differing}


def probe_torch(say: Say) -> None:
    report = Framework(say)
    say({"begin": "import"})
    import torch  # type: ignore[import-not-found,unused-ignore]

    report.facts(
        version=str(torch.__version__),
        cuda=getattr(torch.version, "cuda", None),
        hip=getattr(torch.version, "hip", None),
    )
    report.facts(built_with_cuda=getattr(torch.version, "cuda", None) is not None)
    report.optional("cudnn", lambda: torch.backends.cudnn.version())
    report.optional("nccl", lambda: list(torch.cuda.nccl.version()))
    report.facts(flags=torch_flags(torch))
    if getattr(torch.version, "cuda", None) is None:
        return
    say({"begin": "devices"})
    count = torch.cuda.device_count()
    available = bool(torch.cuda.is_available())
    report.facts(available=available, devices=count)
    # The public function gives an empty list where no GPU is seen; the build's own list stands behind it.
    architectures = report.optional(
        "architectures", lambda: list(torch.cuda.get_arch_list()) or torch._C._cuda_getArchFlags().split()
    )
    if not available or not count:

        def force() -> Dict[str, Any]:
            torch.zeros(1, device="cuda")
            return {"status": "ok"}

        report.check("initialise", None, force)
        return
    for device in range(count):
        capability = report.optional(f"capability_{device}", lambda: list(torch.cuda.get_device_capability(device)))
        if architectures and capability:
            compiled = compiled_for(architectures, capability)
            say({"check": dict(compiled, name="compiled", device=device)})
        report.check("matmul", device, lambda: torch_matmul(torch, device))
        report.check("seed", device, lambda: same_numbers(lambda: torch_draw(torch, device)))
        if report_has_cudnn(torch):
            report.check("convolution", device, lambda: torch_convolution(torch, device))


def report_has_cudnn(torch: Any) -> bool:
    try:
        return bool(torch.backends.cudnn.is_available()) and hasattr(torch.nn.functional, "conv2d")
    except Exception:
        return False


def torch_flags(torch: Any) -> Dict[str, Any]:
    flags: Dict[str, Any] = {}
    readers: Tuple[Tuple[str, Callable[[], Any]], ...] = (
        ("matmul_tf32", lambda: torch.backends.cuda.matmul.allow_tf32),
        ("cudnn_tf32", lambda: torch.backends.cudnn.allow_tf32),
        ("cudnn_benchmark", lambda: torch.backends.cudnn.benchmark),
        ("cudnn_deterministic", lambda: torch.backends.cudnn.deterministic),
        ("deterministic_algorithms", lambda: torch.are_deterministic_algorithms_enabled()),
        ("matmul_precision", lambda: torch.get_float32_matmul_precision()),
    )
    for key, read in readers:
        try:
            flags[key] = read()
        except Exception:
            continue
    return flags


def compiled_for(architectures: Sequence[str], capability: Sequence[int]) -> Dict[str, Any]:
    """Whether code for one of `architectures` (`sm_80`, `compute_90`, ...) runs on a device: binary code within its
    major version and not above its minor one, PTX on everything newer."""
    major, minor = int(capability[0]), int(capability[1])
    binary, ptx = False, False
    for name in architectures:
        found = re.match(r"(sm|compute)_(\d+)(\d)([af]?)$", name)
        if not found:
            continue
        its = (int(found.group(2)), int(found.group(3)))
        if found.group(4) == "a":
            binary = binary or (found.group(1) == "sm" and its == (major, minor))
        elif found.group(1) == "sm" or found.group(4) == "f":
            binary = binary or (its[0] == major and its[1] <= minor)
        else:
            ptx = ptx or its <= (major, minor)
    status = "ok" if binary or ptx else "failed"
    by = "binary" if binary else "ptx" if ptx else None
    return {"status": status, "by": by, "architectures": list(architectures), "capability": [major, minor]}


def torch_matmul(torch: Any, device: int) -> Dict[str, Any]:
    left, right, want = matrices()
    where = f"cuda:{device}"
    product = torch.tensor(left, device=where).matmul(torch.tensor(right, device=where))
    return compared(product.cpu().tolist(), want)


def torch_draw(torch: Any, device: int) -> Any:
    torch.manual_seed(20240229)
    return torch.randn(1000, device=f"cuda:{device}").cpu()


def torch_convolution(torch: Any, device: int) -> Dict[str, Any]:
    """One convolution: the first use of cuDNN, which is loaded late."""
    torch.manual_seed(1)
    image, weight = torch.randn(1, 3, 16, 16), torch.randn(4, 3, 3, 3)
    want = flat(torch.nn.functional.conv2d(image, weight))
    where = f"cuda:{device}"
    got = flat(torch.nn.functional.conv2d(image.to(where), weight.to(where)).cpu())
    worst = max(abs(a - b) for a, b in zip(got, want))
    return {"status": "ok" if worst < 0.05 else "wrong", "largest_error": worst}


def probe_tensorflow(say: Say) -> None:
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # take what the test needs, not the whole GPU
    report = Framework(say)
    say({"begin": "import"})
    import tensorflow as tf  # type: ignore[import-not-found,import-untyped,unused-ignore]

    report.facts(version=str(tf.__version__))
    build: Dict[str, Any] = {}
    try:
        build = dict(tf.sysconfig.get_build_info())
    except Exception:
        build = {}
    report.facts(
        cuda=_text(build.get("cuda_version")),
        cudnn=_text(build.get("cudnn_version")),
        architectures=list(build.get("cuda_compute_capabilities") or []),
    )
    built = report.optional("built_with_cuda", lambda: bool(tf.test.is_built_with_cuda()))
    report.facts(flags=tensorflow_flags(tf))
    if built is False:
        return
    say({"begin": "devices"})
    config = getattr(tf, "config", None)
    if config is None or not hasattr(config, "list_physical_devices"):
        report.facts(available=bool(tf.test.is_gpu_available()), note="TensorFlow 1: only the devices were asked for")
        return
    devices = list(config.list_physical_devices("GPU"))
    report.facts(available=bool(devices), devices=len(devices))
    for device in range(len(devices)):
        where = f"/GPU:{device}"
        capability = tensorflow_capability(tf, devices[device])
        if build.get("cuda_compute_capabilities") and capability:
            compiled = compiled_for(build["cuda_compute_capabilities"], capability)
            say({"check": dict(compiled, name="compiled", device=device)})
        report.check("matmul", device, lambda: tensorflow_matmul(tf, where))
        report.check("seed", device, lambda: same_numbers(lambda: tensorflow_draw(tf, where)))


def _text(value: Any) -> Optional[str]:
    return str(value) if value not in (None, "") else None


def tensorflow_capability(tf: Any, device: Any) -> Optional[Sequence[int]]:
    try:
        capability = tf.config.experimental.get_device_details(device)["compute_capability"]
        return [int(capability[0]), int(capability[1])]
    except Exception:
        return None


def tensorflow_flags(tf: Any) -> Dict[str, Any]:
    flags: Dict[str, Any] = {}
    readers: Tuple[Tuple[str, Callable[[], Any]], ...] = (
        ("tf32", lambda: bool(tf.config.experimental.tensor_float_32_execution_enabled())),
        ("deterministic_ops", lambda: bool(tf.config.experimental.is_op_determinism_enabled())),
    )
    for key, read in readers:
        try:
            flags[key] = read()
        except Exception:
            continue
    return flags


def tensorflow_matmul(tf: Any, where: str) -> Dict[str, Any]:
    left, right, want = matrices()
    with tf.device(where):
        product = tf.matmul(tf.constant(left), tf.constant(right))
    return compared(product.numpy().tolist(), want)


def tensorflow_draw(tf: Any, where: str) -> Any:
    tf.random.set_seed(20240229)
    with tf.device(where):
        return tf.random.normal([1000]).numpy()


def probe_jax(say: Say) -> None:
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    report = Framework(say)
    say({"begin": "import"})
    import jax  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import jax.numpy as jnp  # type: ignore[import-not-found,import-untyped,unused-ignore]

    report.facts(version=str(jax.__version__))
    report.optional("jaxlib", jaxlib_version)
    built = jax_built_with_cuda()
    report.facts(built_with_cuda=built, cuda=jax_cuda(report))
    report.facts(flags=jax_flags(jax))
    say({"begin": "devices"})
    devices: List[Any] = []
    try:
        devices = [d for d in jax.devices() if d.platform in ("gpu", "cuda", "rocm")]
    except Exception as error:
        say({"check": {"name": "initialise", "device": None, "status": "error", "error": describe(error)}})
    report.facts(available=bool(devices), devices=len(devices))
    if not devices and built:

        def force() -> Dict[str, Any]:
            jax.devices("cuda")
            return {"status": "ok"}

        report.check("initialise", None, force)
    for index, device in enumerate(devices):
        report.check("matmul", index, lambda: jax_matmul(jax, jnp, device))
        report.check("seed", index, lambda: same_numbers(lambda: jax_draw(jax, device)))


def jaxlib_version() -> str:
    import jaxlib  # type: ignore[import-not-found,import-untyped,unused-ignore]

    return str(jaxlib.__version__)


def jax_built_with_cuda() -> bool:
    """Since 0.4.3x CUDA comes as a plugin package; before that as a build of jaxlib, whose version says so."""
    for name in ("jax_cuda13_plugin", "jax_cuda12_plugin", "jax_cuda11_plugin", "jax_plugins.xla_cuda13",
                 "jax_plugins.xla_cuda12"):  # fmt: skip
        try:
            if importlib.util.find_spec(name) is not None:
                return True
        except (ImportError, ValueError, AttributeError):
            continue
    try:
        return "+cuda" in (distribution_version("jaxlib") or jaxlib_version())
    except Exception:
        return False


def jax_cuda(report: Framework) -> Optional[str]:
    for name in ("jax_cuda13_plugin._versions", "jax_cuda12_plugin._versions", "jaxlib.cuda._versions"):
        try:
            versions = importlib.import_module(name)
            number = versions.cudnn_build_version() if hasattr(versions, "cudnn_build_version") else None
            if number:
                report.facts(cudnn=str(number))
            built = versions.cuda_runtime_build_version()
            return f"{built // 1000}.{built % 1000 // 10}"
        except Exception:
            continue
    found = re.search(r"\+cuda(\d+)", distribution_version("jaxlib") or "")
    return found.group(1) if found else None


def jax_flags(jax: Any) -> Dict[str, Any]:
    flags: Dict[str, Any] = {}
    for key in ("jax_default_matmul_precision", "jax_enable_x64", "jax_threefry_partitionable"):
        try:
            flags[key] = getattr(jax.config, key)
        except Exception:
            continue
    return flags


def jax_matmul(jax: Any, jnp: Any, device: Any) -> Dict[str, Any]:
    left, right, want = matrices()
    product = jnp.matmul(jax.device_put(jnp.array(left), device), jax.device_put(jnp.array(right), device))
    return compared(product.tolist(), want)


def jax_draw(jax: Any, device: Any) -> Any:
    key = jax.device_put(jax.random.PRNGKey(20240229), device)
    return jax.random.normal(key, (1000,))


def probe_cupy(say: Say) -> None:
    report = Framework(say)
    say({"begin": "import"})
    import cupy  # type: ignore[import-not-found,import-untyped,unused-ignore]

    runtime = cupy.cuda.runtime
    hip = bool(getattr(runtime, "is_hip", False))
    report.facts(version=str(cupy.__version__), built_with_cuda=not hip)
    number = report.optional("runtime_version", lambda: int(runtime.runtimeGetVersion()))
    if number and not hip:
        report.facts(cuda=f"{number // 1000}.{number % 1000 // 10}")
    report.optional("cudnn", lambda: str(cupy.cuda.cudnn.getVersion()))
    report.optional("nccl", lambda: int(cupy.cuda.nccl.get_version()))
    if hip:
        return
    count = [0]

    def devices() -> Dict[str, Any]:
        count[0] = int(runtime.getDeviceCount())
        return {"status": "ok"}

    report.check("initialise", None, devices)
    report.facts(available=bool(count[0]), devices=count[0])
    for device in range(count[0]):
        report.check("matmul", device, lambda: cupy_matmul(cupy, device))
        report.check("seed", device, lambda: same_numbers(lambda: cupy_draw(cupy, device)))


def cupy_matmul(cupy: Any, device: int) -> Dict[str, Any]:
    left, right, want = matrices()
    with cupy.cuda.Device(device):
        product = cupy.asarray(left, dtype="float32").dot(cupy.asarray(right, dtype="float32"))
        return compared(product.tolist(), want)


def cupy_draw(cupy: Any, device: int) -> Any:
    with cupy.cuda.Device(device):
        cupy.random.seed(20240229)
        return cupy.random.standard_normal(1000)


PROBES: Dict[str, Callable[[Say], None]] = {
    "torch": probe_torch,
    "tensorflow": probe_tensorflow,
    "jax": probe_jax,
    "cupy": probe_cupy,
}


def installed(name: str) -> Optional[str]:
    """Where a package lies, without importing it."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if spec.origin and spec.origin != "namespace":
        return spec.origin
    return None  # a folder without __init__.py that happens to have the name


def distribution_version(name: str) -> Optional[str]:
    """The installed version of a distribution, as its metadata has it (`2.3.0+cu121`)."""
    for folder in sys.path:
        try:
            entries = os.listdir(folder or ".")
        except OSError:
            continue
        for entry in entries:
            found = re.match(r"(.+?)-(\d[^-]*)(?:-py[\d.]+)?\.(?:dist|egg)-info$", entry)
            if found and re.sub(r"[-_.]+", "-", found.group(1)).lower() == name:
                return found.group(2)
    return None


_SCRATCH = ("/tmp", "/dev/shm")  # noqa: S108


def writable_caches() -> None:
    """Give caches a place in a container whose files may not be written: CuPy does not start without one."""
    if os.access(os.path.expanduser("~"), os.W_OK):
        return
    for base in _SCRATCH:
        folder = os.path.join(base, f"repro-audit-{os.getppid()}")
        try:
            os.mkdir(folder, 0o700)
        except OSError:
            continue
        for name in ("CUPY_CACHE_DIR", "CUDA_CACHE_PATH", "XDG_CACHE_HOME", "TRITON_CACHE_DIR", "MPLCONFIGDIR"):
            os.environ.setdefault(name, folder)
        return


def framework(name: str, limit: float) -> Dict[str, Any]:
    """One framework, tested in a child: its facts, its checks, and how the test ended."""

    def work(say: Say) -> None:
        writable_caches()
        PROBES[name](say)

    ran = in_child(work, limit)
    for base in _SCRATCH:
        shutil.rmtree(os.path.join(base, f"repro-audit-{os.getpid()}"), ignore_errors=True)
    record: Dict[str, Any] = {"name": name, "origin": installed(name), "checks": []}
    doing = "import"
    for step in ran["steps"]:
        if "begin" in step:
            doing = step["begin"]
        record.update(step.get("facts", {}))
        if "check" in step:
            record["checks"].append(step["check"])
        if "error" in step:
            record["error"] = dict(step["error"], during=doing)
    record.setdefault("version", None)
    if record["version"] is None:
        record["version"] = distribution_version(name)
    for key in ("ended", "seconds", "signal", "status", "limit"):
        if key in ran:
            record[key] = ran[key]
    if ran["ended"] != "done":
        record["during"] = doing
    record["output"] = ran["output"]
    return record


# --- surroundings ---------------------------------------------------------------------------------------------------


def environment() -> Dict[str, str]:
    """Variables that decide what a GPU program does. Values that look like secrets are not shown."""
    shown: Dict[str, str] = {}
    for name, value in sorted(os.environ.items()):
        if _SHOWN.match(name) and _SHOWN.match(name).group() == name:  # type: ignore[union-attr]
            value = printable(value.encode("utf-8", "replace").decode("utf-8"))
            if _SECRET.search(name) and not name.startswith("XLA_FLAGS"):
                value = "(hidden)"
            shown[name] = value[:2000]
    return shown


def surroundings() -> Dict[str, Any]:
    facts: Dict[str, Any] = {"environment": environment(), "user": os.getuid(), "shared_memory_bytes": None}
    try:
        shm = os.statvfs("/dev/shm")  # noqa: S108
        facts["shared_memory_bytes"] = shm.f_frsize * shm.f_blocks
    except OSError:
        pass
    limits: Dict[str, Any] = {}
    try:
        import resource

        for key, name in (
            ("memlock", "RLIMIT_MEMLOCK"),
            ("nofile", "RLIMIT_NOFILE"),
            ("stack", "RLIMIT_STACK"),
            ("nproc", "RLIMIT_NPROC"),
        ):
            soft = resource.getrlimit(getattr(resource, name))[0]
            limits[key] = "unlimited" if soft == resource.RLIM_INFINITY else soft
    except (ImportError, AttributeError, ValueError):
        pass
    facts["limits"] = limits
    status = first_lines("/proc/self/status", 80)
    found = re.search(r"CapEff:\s*([0-9a-f]+)", status)
    facts["capabilities"] = found.group(1) if found else None
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = first_lines(path, 1).strip()
        if text:
            facts["memory_limit"] = text
            break
    return facts


def first_lines(path: str, count: int) -> str:
    try:
        with open(path, "rb") as file:
            return printable(file.read(20000).decode("utf-8", "replace")[: count * 400])
    except OSError:
        return ""


def kernel_driver() -> Optional[str]:
    """The release of the kernel's NVIDIA module, where the container may see it."""
    text = first_lines("/proc/driver/nvidia/version", 2) or first_lines("/sys/module/nvidia/version", 1)
    found = re.search(r"\b(\d{3}\.\d+(?:\.\d+)?)\b", text)
    return found.group(1) if found else None


def image_facts() -> Dict[str, Any]:
    """What the files of the image say: its CUDA toolkit, the libraries on hand, whether it carries a compat driver."""
    facts: Dict[str, Any] = {}
    for line in first_lines("/etc/os-release", 40).splitlines():
        if line.startswith("PRETTY_NAME="):
            facts["system"] = line.split("=", 1)[1].strip().strip('"')
    text = first_lines("/usr/local/cuda/version.json", 60) or first_lines("/usr/local/cuda/version.txt", 3)
    found = re.search(r'"cuda"\s*:\s*\{[^}]*"version"\s*:\s*"([\d.]+)"', text) or re.search(
        r"CUDA Version ([\d.]+)", text
    )
    version = found.group(1) if found else os.environ.get("CUDA_VERSION")
    if version:
        facts["cuda"] = printable(version)[:40]
    libraries: Dict[str, str] = {}
    for folder in library_folders():
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            match = re.match(r"lib(cudart|cudnn|nccl|cublas|nvrtc)\.so\.(\d[\d.]*)$", name)
            if match and len(match.group(2)) > len(libraries.get(match.group(1), "")):
                libraries[match.group(1)] = match.group(2)
    facts["libraries"] = libraries
    facts["compat"] = os.path.isdir("/usr/local/cuda/compat")
    return facts


def library_folders() -> Iterator[str]:
    for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
        if folder:
            yield folder
    yield "/usr/local/cuda/lib64"
    for folder in _LIBRARY_PLACES:
        yield folder
    for folder in sys.path:
        base = os.path.join(folder or ".", "nvidia")
        if os.path.isdir(base):
            for name in ("cuda_runtime", "cudnn", "nccl", "cublas", "cu13"):
                yield os.path.join(base, name, "lib")


def management_interface() -> Optional[Dict[str, Any]]:
    """What `nvidia-smi` says, asked only when NVML itself could not be."""
    wanted = "name,driver_version,uuid,pci.bus_id,memory.total,persistence_mode,ecc.mode.current,clocks.sm,clocks.mem"
    try:
        process = subprocess.Popen(
            ["nvidia-smi", "--query-gpu=" + wanted, "--format=csv,noheader,nounits"],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError:
        return None
    try:
        said, _ = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return {"status": "timeout"}
    rows: List[Dict[str, str]] = []
    text = printable(said.decode("utf-8", "replace"))
    if process.returncode == 0:
        for line in text.splitlines():
            cells = [cell.strip() for cell in line.split(",")]
            if len(cells) == len(wanted.split(",")):
                rows.append(dict(zip(wanted.split(","), cells)))
    return {"status": process.returncode, "devices": rows, "output": "" if rows else text[:1500]}


# --- the whole ------------------------------------------------------------------------------------------------------


def probe(budget: float, only: Sequence[str]) -> Dict[str, Any]:
    """Everything, within `budget` seconds."""
    started = time.time()

    def left(most: float) -> float:
        return max(min(most, budget - (time.time() - started)), 1.0)

    document: Dict[str, Any] = {
        "probe": 1,
        "kind": "python",
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "machine": platform.machine(),
        "kernel": platform.release(),
        "wsl": "microsoft" in platform.release().lower(),
        "nodes": nodes(),
        "kernel_driver": kernel_driver(),
        "image": image_facts(),
    }
    document.update(surroundings())
    driver = in_child(driver_chain, left(min(max(20.0, budget / 3), budget / 2)))
    document["driver"] = driver
    if os.environ.get("CUDA_VISIBLE_DEVICES") is not None:
        for step in in_child(visible_count, left(15.0))["steps"]:
            document["unhidden"] = step.get("count")
    management = in_child(nvml_facts, left(20.0))
    document["nvml"] = management
    if not any(step.get("step") == "nvml" and step.get("status") == "ok" for step in management["steps"]):
        document["nvidia_smi"] = management_interface()
    document["frameworks"] = []
    names = [name for name in FRAMEWORKS if (not only or name in only) and installed(name)]
    for at, name in enumerate(names):
        share = (budget - (time.time() - started)) / (len(names) - at)
        if share < 2.0:
            document["frameworks"].append({"name": name, "ended": "skipped", "checks": [], "output": ""})
            continue
        document["frameworks"].append(framework(name, share))
    document["seconds"] = round(time.time() - started, 3)
    return document


def main(arguments: List[str]) -> None:
    budget = 240.0
    only: List[str] = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key == "--budget":
            try:
                budget = max(float(value), 2.0)
            except ValueError:
                pass
        elif key == "--only":
            only = value.split(",")
    sys.stdout.write("\n" + MARK + " started\n")
    sys.stdout.flush()
    try:
        document = probe(budget, only)
    except Exception as error:
        document = {"probe": 1, "kind": "python", "error": describe(error)}
    sys.stdout.write("\n" + MARK + " " + json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
