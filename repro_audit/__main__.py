"""`python -m repro_audit`: the same as the command `repro-audit`."""

from __future__ import annotations

import os
import sys

# Python puts the current folder first on its path; what lies there is what is audited, and must not be imported.
_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if sys.path and sys.path[0] in ("", os.getcwd()) and os.path.realpath(os.getcwd()) != os.path.realpath(_HOME):
    del sys.path[0]

if __name__ == "__main__":
    from repro_audit.cli.main import main

    sys.exit(main())
