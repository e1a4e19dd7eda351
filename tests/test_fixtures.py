"""The example projects in `fixtures/`: exactly these findings, and these levels."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro_audit.cli.audit import audit
from repro_audit.cli.options import Request

FIXTURES = Path(__file__).parent.parent / "fixtures"

RESEARCH_PLATFORM = """
.devcontainer/devcontainer.json:14 host-namespace
.devcontainer/devcontainer.json:31 install-at-start
.github/workflows/build-research-containers.yml:11 runner-floating
.github/workflows/build-research-containers.yml:13 action-unpinned
.github/workflows/build-research-containers.yml:16 action-unpinned
.github/workflows/build-research-containers.yml:19 action-unpinned
.github/workflows/build-research-containers.yml:41 source-date-epoch
Dockerfile:2 image-not-digest
Dockerfile:6 os-package-unpinned
Dockerfile:19 pip-self-upgrade
Dockerfile:23 image-not-digest
Dockerfile:27 interpreter-copied-alone
Dockerfile:32 gpu-devices-baked
Dockerfile:40 copy-all-no-ignore
Dockerfile:43 healthcheck-too-slow
Dockerfile.locked:1 image-not-digest
Dockerfile.locked:1 root-user
Dockerfile.locked:10 apt-lists-left
Dockerfile.locked:11 os-package-perishable
Dockerfile.locked:14 copy-all-no-ignore
Dockerfile.models:2 image-not-digest
Dockerfile.models:2 root-user
Dockerfile.models:5 syntax-directive-ignored
Dockerfile.models:10 os-package-unpinned
Dockerfile.models:17 pip-index-ambiguous
Dockerfile.models:21 cache-mount-loses-output
Dockerfile.models:21 model-unpinned
Dockerfile.untrusted:2 image-moving-tag
Dockerfile.untrusted:6 os-package-unpinned
docker-compose.yml:2 version-obsolete
docker-compose.yml:5 limits-missing
docker-compose.yml:7 gpu-request-doubled
docker-compose.yml:22 limits-missing
docker-compose.yml:24 gpu-request-doubled
docker-compose.yml:26 gpu-hidden-by-renumbering
docker-compose.yml:40 image-latest
docker-compose.yml:42 port-on-all-interfaces
requirements.txt:3 pip-unpinned
requirements.txt:4 pip-range
requirements.txt:6 pip-range
requirements.txt:7 pip-vcs-unpinned
"""


def said(monkeypatch: pytest.MonkeyPatch, name: str) -> tuple[list[str], int]:
    """`path:line rule` of each finding in a fixture, in the order of the report, and the reproducibility level."""
    monkeypatch.chdir(FIXTURES / name)
    result = audit(Request(paths=(".",), no_config=True)).result
    return [f"{f.path}:{f.source.position(f.span.start)[0]} {f.rule}" for f in result.findings], result.level


def test_the_research_platform_has_exactly_these_findings_and_is_at_level_0(monkeypatch: pytest.MonkeyPatch) -> None:
    found, level = said(monkeypatch, "research-platform")
    assert sorted(found) == sorted(RESEARCH_PLATFORM.split("\n")[1:-1])
    assert level == 0


def test_the_locked_project_audits_clean_at_level_2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, "level-two") == ([], 2)


def test_a_project_is_judged_alike_from_its_own_folder_and_from_above() -> None:
    def weights(path: Path) -> set[tuple[str, str, int]]:
        found = audit(Request(paths=(str(path),), no_config=True)).result.findings
        return {
            (f.rule, str(f.severity), f.source.position(f.span.start).line)
            for f in found
            if f.path.endswith("research-platform/Dockerfile")
        }

    assert weights(FIXTURES / "research-platform") == weights(FIXTURES)
