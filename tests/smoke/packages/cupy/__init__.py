"""A cupy for the tests of the probe, with a fault of FAKE_CUPY's choice."""

import contextlib
import os
import random as _random
import types

FAULT = os.environ.get("FAKE_CUPY", "")
__version__ = "13.3.0"


class Array:
    def __init__(self, rows):
        self.rows = rows

    def dot(self, other):
        if FAULT == "nvrtc":
            raise RuntimeError("nvrtc: error: invalid value for --gpu-architecture (-arch)")
        columns = list(zip(*other.rows))
        return Array([[sum(a * b for a, b in zip(row, column)) for column in columns] for row in self.rows])

    def tolist(self):
        return self.rows


def asarray(rows, dtype):
    return Array(rows)


def _count():
    if FAULT == "old-driver":
        raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version")
    return 1


@contextlib.contextmanager
def _device(index):
    yield


random = types.SimpleNamespace(
    seed=_random.seed, standard_normal=lambda count: Array([_random.random() for _ in range(count)])
)
cuda = types.SimpleNamespace(
    Device=_device,
    runtime=types.SimpleNamespace(is_hip=False, runtimeGetVersion=lambda: 12040, getDeviceCount=_count),
)
