"""A tensorflow for the tests of the probe, with a fault of FAKE_TENSORFLOW's choice."""

import contextlib
import os
import random as _random
import sys
import types

FAULT = os.environ.get("FAKE_TENSORFLOW", "")
__version__ = "2.15.1"

if FAULT == "no-libraries":
    sys.stderr.write(
        "W tensorflow/compiler/xla/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library"
        " 'libcudnn.so.8'; dlerror: libcudnn.so.8: cannot open shared object file: No such file or directory\n"
        "W tensorflow/core/common_runtime/gpu/gpu_device.cc:1934] Cannot dlopen some GPU libraries.\n"
    )
if FAULT == "unnamed-library":
    sys.stderr.write("W gpu_device.cc:2251] Cannot dlopen some GPU libraries. Please make sure they are installed\n")


class Array:
    def __init__(self, rows):
        self.rows = rows

    def numpy(self):
        return self

    def tolist(self):
        return self.rows


def constant(rows):
    return Array(rows)


def matmul(left, right):
    columns = list(zip(*right.rows))
    return Array([[sum(a * b for a, b in zip(row, column)) for column in columns] for row in left.rows])


@contextlib.contextmanager
def device(where):
    yield


random = types.SimpleNamespace(
    set_seed=_random.seed, normal=lambda shape: Array([_random.random() for _ in range(shape[0])])
)
_devices = [] if FAULT in ("no-libraries", "unnamed-library") else ["/physical_device:GPU:0"]
config = types.SimpleNamespace(
    list_physical_devices=lambda kind: _devices,
    experimental=types.SimpleNamespace(
        get_device_details=lambda device: {"compute_capability": (9, 0)},
        tensor_float_32_execution_enabled=lambda: True,
    ),
)
test = types.SimpleNamespace(is_built_with_cuda=lambda: FAULT != "cpu")
sysconfig = types.SimpleNamespace(
    get_build_info=lambda: {
        "cuda_version": "12.2",
        "cudnn_version": "8",
        "cuda_compute_capabilities": ["sm_50", "sm_60", "sm_70", "sm_75", "compute_80"],
    }
)
