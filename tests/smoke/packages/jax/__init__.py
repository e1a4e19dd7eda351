"""A jax for the tests of the probe: as the plain wheel is, for the processor only."""

import types

__version__ = "0.4.35"
config = types.SimpleNamespace(jax_default_matmul_precision=None, jax_enable_x64=False)


def devices(kind=None):
    return [types.SimpleNamespace(platform="cpu", device_kind="cpu")]
