"""A torch for the tests of the probe: the functions that the probe calls, on lists, with a fault of FAKE_TORCH's choice.

Python 3.6 runs this too.
"""

import os
import random
import signal
import time
import types

FAULT = os.environ.get("FAKE_TORCH", "")
__version__ = "2.4.1+cpu" if FAULT == "cpu" else "2.4.1+cu121"

if FAULT == "no-cudnn":
    raise ImportError("libcudnn.so.9: cannot open shared object file: No such file or directory")
if FAULT == "import-hangs":
    time.sleep(3600)
if FAULT == "import-crashes":
    os.kill(os.getpid(), signal.SIGSEGV)
if FAULT == "import-breaks":
    raise AttributeError("module 'numpy' has no attribute 'bool'")
print("a library that prints at import")


class Tensor:
    def __init__(self, rows, device="cpu"):
        self.rows, self.device = rows, device

    def matmul(self, other):
        if FAULT == "no-kernel":
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
        if FAULT == "memory":
            raise MemoryError("CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 has a total capacity of 79 GiB")
        columns = list(zip(*other.rows))
        product = [[sum(a * b for a, b in zip(row, column)) for column in columns] for row in self.rows]
        if FAULT == "wrong":
            product[3][5] += 1.0
        if FAULT == "nan":
            product[3][5] = float("nan")
        return Tensor(product)

    def cpu(self):
        return self

    def tolist(self):
        return self.rows


def tensor(rows, device="cpu"):
    return Tensor(rows, device)


def zeros(*shape, **how):
    if FAULT == "old-driver":
        raise RuntimeError(
            "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver"
        )
    raise RuntimeError("No CUDA GPUs are available")


def manual_seed(seed):
    if FAULT != "unseeded":
        random.seed(seed)


def randn(count, device="cpu"):
    return Tensor([random.random() for _ in range(count)])


def are_deterministic_algorithms_enabled():
    return False


def get_float32_matmul_precision():
    return "highest"


version = types.SimpleNamespace(cuda=None if FAULT == "cpu" else "12.1", hip=None)
cuda = types.SimpleNamespace(
    is_available=lambda: FAULT not in ("cpu", "old-driver", "blind"),
    device_count=lambda: 0 if FAULT in ("old-driver", "blind") else int(os.environ.get("FAKE_CUDA_DEVICES", "1")),
    get_arch_list=lambda: ["sm_50", "sm_60", "sm_70"] if FAULT == "old-build" else ["sm_80", "sm_86", "sm_90"],
    get_device_capability=lambda device: (9, 0),
    nccl=types.SimpleNamespace(version=lambda: (2, 20, 5)),
)
backends = types.SimpleNamespace(
    cudnn=types.SimpleNamespace(
        version=lambda: 90100,
        is_available=lambda: False,
        allow_tf32=True,
        benchmark=False,
        deterministic=False,
    ),
    cuda=types.SimpleNamespace(matmul=types.SimpleNamespace(allow_tf32=False)),
)
