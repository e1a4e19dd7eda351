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
    cdi = False
    for folder in ("etc/cdi", "var/run/cdi"):
        try:
            cdi = cdi or any("nvidia" in name for name in os.listdir(os.path.join(root, folder)))
        except OSError:
            continue
    return Host(
        gpus=gpus,
        driver=driver.group(1) if driver else None,
        cdi=cdi,
        wsl=os.path.exists(os.path.join(root, "dev/dxg")),
    )


def _first(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.readline(400).decode("utf-8", "replace").strip()
    except OSError:
        return ""
