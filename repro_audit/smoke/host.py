"""What this machine shows of NVIDIA hardware, without starting anything: PCI devices, the kernel module, CDI."""

from __future__ import annotations

import os
import re

from repro_audit.smoke.engine_error import Host


def look(root: str = "/") -> Host:
    """The host's GPUs as `/sys` and `/proc` under `root` show them. `gpus` is None where there is no PCI bus to see."""
    devices = os.path.join(root, "sys/bus/pci/devices")
    gpus: int | None = None
    try:
        addresses = os.listdir(devices)
    except OSError:
        addresses = None
    if addresses is not None:
        gpus = 0
        for address in addresses:
            vendor = _first(os.path.join(devices, address, "vendor"))
            # Display controllers only: the same card has an audio device of the same vendor.
            if vendor == "0x10de" and _first(os.path.join(devices, address, "class")).startswith("0x03"):
                gpus += 1
    text = _first(os.path.join(root, "proc/driver/nvidia/version")) or _first(
        os.path.join(root, "sys/module/nvidia/version")
    )
    driver = re.search(r"\b(\d{3}\.\d+(?:\.\d+)?)\b", text)
    return Host(
        gpus=gpus,
        driver=driver.group(1) if driver else None,
        cdi=any(_names_gpus(os.path.join(root, folder)) for folder in ("etc/cdi", "var/run/cdi")),
        wsl=os.path.exists(os.path.join(root, "dev/dxg")),
    )


def _names_gpus(folder: str) -> bool:
    """Whether a folder has a CDI specification of NVIDIA's GPUs, whatever its file is called."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith((".yaml", ".json"))]
    except OSError:
        return False
    for name in names:
        try:
            with open(os.path.join(folder, name), "rb") as file:
                if b"nvidia.com/gpu" in file.read(1 << 20):
                    return True
        except OSError:
            continue
    return False


def _first(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.readline(400).decode("utf-8", "replace").strip()
    except OSError:
        return ""
