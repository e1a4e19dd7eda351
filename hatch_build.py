"""Puts the rule book into the wheel: its YAML files for people, and compiled to JSON so that a run need not read YAML.

Called by hatchling for wheels. An editable install gets neither: there the rules are read from `rules/`, where they are
edited.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RuleBookHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles `rules/` into `repro_audit/rulebook.json` of the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the rules and the compiled book to what the wheel takes; a rule that does not compile fails the build."""
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        rules = root / "rules"
        self.scratch = Path(tempfile.mkdtemp(prefix="repro-audit-build-"))
        target = self.scratch / "rulebook.json"
        _compile_book(root, rules, target)
        build_data["force_include"][str(rules)] = "repro_audit/rules"
        build_data["force_include"][str(target)] = "repro_audit/rulebook.json"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what `initialize` wrote."""
        if hasattr(self, "scratch"):
            shutil.rmtree(self.scratch, ignore_errors=True)


def _compile_book(root: Path, rules: Path, target: Path) -> None:
    """Compile with the sources being built, never with another repro-audit that happens to be installed."""
    sys.path.insert(0, str(root))
    try:
        importlib.import_module("repro_audit.rulebook").compile_book(str(rules), str(target))
    finally:
        sys.path.remove(str(root))
