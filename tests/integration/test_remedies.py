"""What `verify` advises, done: a line that made two builds differ no longer does with its remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from daemons import Rig
from test_causes import INSTALL, MAIN

EPOCH = "1700000000"
PIP = "python3 install.py --no-cache-dir"
AGAIN = "PYTHONHASHSEED=0 python3 -m compileall -q -f --invalidation-mode unchecked-hash"
DATED = "echo 'const char *t = __DATE__ __TIME__; int main(void) { return t[0]; }' | gcc -xc - -o"

# `test_causes` shows that these lines differ without their remedies.
MENDED = (
    f"RUN {PIP} --no-compile -t /opt/a pure",
    f"RUN {PIP} -t /opt/b pure && {AGAIN} /opt/b",
    "RUN mkdir /opt/i && echo 'x = 1' > /opt/i/i.py && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/opt/i python3 -c 'import i'",
    "RUN useradd first && chage -d 1 first",
    "ARG SOURCE_DATE_EPOCH",
    f"RUN {PIP} --prefix /opt/c pure",
    "RUN mkdir /opt/n && echo 'x = 1' > /opt/n/n.py && python3 -m compileall -q /opt/n",
    f"RUN {DATED} /opt/dated",
    "RUN cp main.c m.c && sed -i s/__FILE__/__TIMESTAMP__/ m.c && touch -d @$SOURCE_DATE_EPOCH m.c"
    " && gcc -o /opt/stamped m.c && rm m.c",
    "RUN mkdir /d && cp main.c /d && tar --sort=name --mtime=@$SOURCE_DATE_EPOCH --owner=0 --group=0 --numeric-owner"
    " -cf /opt/d.tar /d && rm -r /d",
    "RUN useradd second",
)


def differing(rig: Rig, project: Path, *words: str) -> dict[str, dict]:
    """What counts, by path."""
    words = ("--quiet", f"--source-date-epoch={EPOCH}", "--format=json", *words)
    report = json.loads(rig.run("verify", str(project), *words).stdout)
    return {each["path"]: each for each in report["differences"] if not each["harmless"]}


def test_builds_are_the_same_once_the_remedies_are_taken(rig_of, debian_tools, write) -> None:
    text = "\n".join([f"FROM {debian_tools}", "WORKDIR /src", "COPY . .", *MENDED]) + "\n"
    project = write({"Dockerfile": text, "install.py": INSTALL, "main.c": MAIN})
    left = differing(rig_of("buildx"), project)
    assert {path: (each["cause"], each["why"], each["inside"]) for path, each in left.items()} == {}


@pytest.mark.parametrize("name", ["docker", "moby", "buildx", "podman", "buildah"])
def test_the_date_of_the_build_is_handed_in_as_each_engine_is_said_to(rig_of, write, name: str) -> None:
    rig = rig_of(name)
    project = write({"Dockerfile": f"FROM {rig.base}\nRUN date -u > /built\n"})
    remedy = differing(rig, project)["/built"]["remedy"]
    assert "ARG SOURCE_DATE_EPOCH" in remedy
    (project / "Dockerfile").write_text(
        f"FROM {rig.base}\nARG SOURCE_DATE_EPOCH\nRUN date -u -d @${{SOURCE_DATE_EPOCH:-$(date +%s)}} > /built\n"
    )
    alone = name in ("moby", "buildx")
    assert ("--build-arg SOURCE_DATE_EPOCH=" in remedy) is not alone
    assert set(differing(rig, project)) == (set() if alone else {"/built"})
    assert differing(rig, project, f"--build-arg=SOURCE_DATE_EPOCH={EPOCH}") == {}
