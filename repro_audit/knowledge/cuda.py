"""What NVIDIA publishes about CUDA, its drivers and its compilers, read from `cuda.json`.

Asked by the smoke test's diagnosis, and by rules about drivers and architectures. Versions are strings as people
write them (`12.4`, `12.4.1`, `550.54.15`); a version that cannot be read gives None, never an exception.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TypedDict

from repro_audit.record import dataclass


@dataclass(slots=True, frozen=True)
class DriverNeed:
    """The Linux drivers that run a CUDA version.

    `full` is the release that came with it: from there on everything works. `least` is where minor-version
    compatibility begins (equal to `full` before CUDA 11): programs run, but PTX of this CUDA does not compile.
    """

    cuda: str
    full: str
    least: str


class _Driver(TypedDict):
    cuda: str
    linux: str


class _Major(TypedDict):
    major: int
    linux: str


class _Compiler(TypedDict):
    cuda: str
    capabilities: list[str]


class _Cuda(TypedDict):
    drivers: list[_Driver]
    minor_version_compatibility: list[_Major]
    compilers: list[_Compiler]


@cache
def _cuda() -> _Cuda:
    import json
    from importlib.resources import files

    table: _Cuda = json.loads(files("repro_audit").joinpath("knowledge/cuda.json").read_text("utf-8"))
    return table


def numbers(version: str | None) -> tuple[int, ...]:
    """The numbers a version begins with, for comparison; `()` where it begins with none."""
    found = re.match(r"\s*v?(\d+(?:\.\d+)*)", version or "")
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def driver_need(cuda: str) -> DriverNeed | None:
    """Which drivers run this CUDA; None for one that the table does not know. A CUDA newer than the table's newest
    is known by its major version only, where that is in the table."""
    wanted = numbers(cuda)
    if len(wanted) < 2:
        wanted = (*wanted, 0) if wanted else wanted
    if not wanted:
        return None
    # 12.4 means 12.4's first release, 12.4.1 its first update; 12.4.127 is the number of a component.
    rows = [(numbers(row["cuda"]), row["linux"]) for row in _cuda()["drivers"]]
    same = [row for row in rows if row[0][:2] == wanted[:2]]
    least = next((m["linux"] for m in _cuda()["minor_version_compatibility"] if m["major"] == wanted[0]), None)
    if not same:
        newer = [row for row in rows if row[0][0] == wanted[0] and row[0] < wanted]
        return DriverNeed(cuda, newer[0][1], least) if least and newer else None
    exact = [row for row in same if row[0] == wanted]
    full = exact[0][1] if exact else min(same)[1]
    return DriverNeed(cuda, full, least if least and numbers(least) < numbers(full) else full)


def cuda_of_driver(driver: str) -> str | None:
    """The newest CUDA (`major.minor`) that this Linux driver fully supports; None for an unknown one."""
    has = numbers(driver)
    if not has:
        return None
    known = [numbers(row["cuda"])[:2] for row in _cuda()["drivers"] if numbers(row["linux"]) <= has]
    return ".".join(map(str, max(known))) if known else None


def first_cuda_for(capability: str) -> str | None:
    """The oldest CUDA whose compilers know this compute capability."""
    return next((row["cuda"] for row in _cuda()["compilers"] if capability in row["capabilities"]), None)
