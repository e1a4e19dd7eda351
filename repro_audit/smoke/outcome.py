"""The outcomes that the smoke test tells apart, and the verdict it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["works", "fails", "untested"]

# What each outcome means for the image, in the order in which they are reported when several hold.
OUTCOMES: dict[str, tuple[Result, str]] = {
    "works": ("works", "CUDA works"),
    "no-engine": ("untested", "no container engine"),
    "engine-failed": ("untested", "the container engine failed"),
    "no-image": ("untested", "no such image"),
    "no-runtime": ("untested", "the engine cannot give GPUs to containers"),
    "no-gpu": ("untested", "no NVIDIA GPU"),
    "no-driver": ("untested", "the host's NVIDIA driver is not loaded"),
    "no-such-device": ("untested", "the GPU asked for does not exist"),
    "driver-mismatch": ("untested", "the parts of the driver do not fit each other"),
    "driver-broken": ("untested", "the driver does not answer as it should"),
    "device-busy": ("untested", "the GPU is taken by others"),
    "driver-too-old": ("fails", "the driver is too old for the image's CUDA"),
    "device-hidden": ("fails", "an environment variable hides the GPU"),
    "library-missing": ("fails", "a library is missing"),
    "framework-without-cuda": ("fails", "the framework was built without CUDA"),
    "framework-not-compiled": ("fails", "the framework was not compiled for this GPU"),
    "framework-broken": ("fails", "the framework does not work"),
    "out-of-memory": ("fails", "out of GPU memory"),
    "wrong-result": ("fails", "a wrong result"),
    "not-repeatable": ("fails", "the same seed gives other numbers"),
    "crash": ("fails", "it crashes"),
    "timeout": ("fails", "it does not finish"),
    "wrong-architecture": ("fails", "the image is for another machine"),
    "no-answer": ("untested", "the probe gave no answer that can be read"),
    "nothing-to-test": ("untested", "the image has nothing to test"),
}

EXIT = {"works": 0, "fails": 1, "untested": 2}


@dataclass(slots=True, frozen=True)
class Diagnosis:
    """One verdict: which link broke, the lines that show it, and what to type.

    `outcome` is a key of `OUTCOMES`. `link` is `engine`, one of `reading.LINKS`, `framework NAME`, or None where
    everything holds. `remedy` is a list of steps, each a sentence or a command.
    """

    outcome: str
    link: str | None
    summary: str
    evidence: tuple[str, ...] = ()
    remedy: tuple[str, ...] = ()

    @property
    def result(self) -> Result:
        """Whether the image works, fails, or could not be tested."""
        return OUTCOMES[self.outcome][0]

    @property
    def exit_status(self) -> int:
        """0 works, 1 the image fails, 2 it could not be tested."""
        return EXIT[self.result]
