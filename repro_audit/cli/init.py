"""`repro-audit init`: write a configuration file to start from."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from repro_audit.cli.output import emit
from repro_audit.cli.problem import CannotError

NAME = "repro-audit.toml"

TEMPLATE = """\
# Configuration of repro-audit. Everything is optional; what stands behind `#` shows the form.

# The severity from which findings fail the run: error, warning, info or never.
fail-on = "error"

# `strict` runs every rule, those that are off by default too, and fails on warnings.
profile = "default"

# Rules by id, family, another linter's name or glob.
# ignore = ["healthcheck-missing", "DL3008", "gpu-*"]
# extend-select = ["image-not-digest"]

# Files and folders to leave out, as in .gitignore.
# exclude = ["third_party/"]

# Folders of your own rules.
# rules = ["ci/rules"]

# The registries that images may come from.
# trusted-registries = ["docker.io", "ghcr.io"]

# The hardware that results are to be reproduced on.
# [gpu]
# target = ["H100"]
# driver = "550"

# [severity]
# image-not-digest = "error"

# [per-file-ignores]
# "examples/**" = ["pip-unpinned"]
"""


def command(
    folder: Annotated[str, typer.Argument(help="Where to write it.")] = ".",
) -> int:
    """Write a configuration file; an existing one is never touched."""
    path = os.path.normpath(os.path.join(folder, NAME))
    try:
        # Created, never opened: between looking and writing somebody else may have made one.
        with open(path, "x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError:
        raise CannotError(f"{path} exists already; nothing was written") from None
    except OSError as error:
        raise CannotError(f"{path}: cannot be written: {error.strerror or error}") from None
    emit(f"Wrote {path}.\n")
    return 0
