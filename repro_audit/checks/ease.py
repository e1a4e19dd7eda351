"""How much less a finding matters where it is in no image. Called by the checks of what a build takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repro_audit.finding import Severity

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.input import Package


def eased(command: Command | None, severity: Severity) -> Severity:
    """`severity`, one less in a workflow, whose own tools are in no image."""
    if command is not None and command.when == "ci":
        return Severity(max(severity - 1, Severity.INFO))
    return severity


def eased_package(package: Package, severity: Severity) -> Severity:
    """What a workflow installs for itself, and what only developers install, is in no image."""
    return Severity.INFO if not package.installed else eased(package.command, severity)
