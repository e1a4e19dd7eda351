"""What others find different between two images, we find too: diffoci, and every member of every layer by tarfile."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from daemons import Rig, program

from repro_audit.container.archive import read_image

# Each is built with N=1 and with N=2.
PROJECTS = {
    "content, names and times": "RUN date +%s%N > /stamp && mktemp /root/XXXXXX && echo 1 > /same && ln /same /other\n"
    "RUN rm /same && chmod 4755 /other\nCOPY a /a\n",
    "modes and owners": "RUN touch /mode /user /group /both && mkdir /folder\n"
    "RUN test $N = 1 || { chmod 640 /mode; chown 7 /user; chgrp 8 /group; chown 7:8 /both; chmod 1777 /folder; }\n",
    "kinds": "RUN if test $N = 1; then touch /a1 && mkdir /b1 && ln -s /a1 /c1 && mkfifo /d1;"
    " else mkdir /a1 && touch /b1 && ln /bin/busybox /c1 && touch /d1; fi\n",
    "links": "RUN ln -s /to-$N /soft && echo $N > /f$N && echo 3 > /g && ln /f$N /hard && ln -s ../../x /up\n",
    "deletions": "RUN mkdir /d && touch /d/1 /d/2 /d/3 && mkdir /e && touch /e/1\n"
    "RUN rm /d/$N && rm -rf /e && mkdir /e && touch /e/$N\nRUN test $N = 1 || rm -rf /d\n",
    "names": 'RUN touch "/with space $N" "/with\'quote" "/üñï" && mkdir -p /very/$(head -c 200 /dev/zero | tr \'\\0\' y)/$N\n',
    "sizes": "RUN head -c $(( N * 100000 )) /dev/zero > /zeros && truncate -s $(( N * 10000000 )) /sparse && : > /empty\n",
    "configuration alone": "ENV A=$N\nLABEL n=$N\nEXPOSE 800$N\n",
}


@pytest.mark.parametrize("name", sorted(PROJECTS))
def test_no_difference_that_others_find_is_missed(rig_of, write, tmp_path: Path, name: str) -> None:
    diffoci = program("diffoci", "diffoci")
    archives, ours = _pair(rig_of("moby"), write, tmp_path, PROJECTS[name])
    alone = name == "configuration alone"

    one, two = map(_members, archives)
    unpacked = {path for path in one.keys() | two.keys() if one.get(path) != two.get(path)}
    assert unpacked <= set(ours["paths"])
    assert unpacked or alone

    told = _told_by_diffoci(diffoci, archives, tmp_path)
    theirs = set()
    for line in told.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "File":
            theirs.add(_place(re.split(r"  +", rest.strip())[0]))
        elif kind == "Layer" and (found := re.search(r'name "(.*)" (?:only )?appears', rest)):
            theirs.add(_place(found[1]))
    assert theirs <= set(ours["paths"]), told
    assert theirs or alone, told
    assert "Cfg " not in told or ours["configuration"], told


def _told_by_diffoci(diffoci: str, archives: list[Path], folder: Path) -> str:
    words = [diffoci, "--backend=local", f"--local-cache={folder}/diffoci"]
    images = []
    for archive in archives:
        with archive.open("rb") as stream:
            loaded = subprocess.run([*words, "load"], stdin=stream, capture_output=True, text=True)
        images.append(re.search(r"\S*pair:\d", loaded.stdout)[0])
    told = subprocess.run([*words, "diff", "--pull=never", *images], capture_output=True, text=True)
    assert told.returncode == 1, told.stderr
    return told.stdout


def _pair(rig: Rig, write, tmp_path: Path, text: str) -> tuple[list[Path], dict[str, list]]:
    """The archives of two images, and what we find different between them: paths and places in the configuration."""
    project = write({"Dockerfile": f"FROM {rig.base}\nARG N\n{text}", "a": "1"})
    archives = []
    for number in (1, 2):
        image = f"localhost/pair:{number}"
        rig.run("build", str(project), "--no-cache", f"--build-arg=N={number}", "--tag", image, check=0)
        archives.append(tmp_path / f"{number}.tar")
        rig.ask("save", "--output", str(archives[-1]), image)
        rig.ask("rmi", image)
    words = ("verify", f"--image={archives[1]}", f"--against={archives[0]}", "--format=json")
    report = json.loads(rig.run(*words).stdout)
    assert len(read_image(str(archives[0])).files) == report["images"][1]["files"]
    paths = [each["path"] for each in report["differences"]]
    return archives, {"paths": paths, "configuration": report["config"]}


def _place(name: str) -> str:
    """The path of a member in the image; of a whiteout, what it takes away."""
    path = "/" + name.removeprefix("./").strip("/")
    return path.removesuffix("/.wh..wh..opq").replace("/.wh.", "/")


def _members(archive: Path) -> dict[str, tuple]:
    """Each path of each layer with all that its header says and its content."""
    found: dict[str, tuple] = {}
    with tarfile.open(archive) as outer:
        manifest = json.load(outer.extractfile("manifest.json"))[0]
        for number, name in enumerate(manifest["Layers"]):
            with tarfile.open(fileobj=io.BytesIO(outer.extractfile(name).read())) as layer:
                for member in layer:
                    data = layer.extractfile(member).read() if member.isreg() else b""
                    head = (member.type, member.mode, member.uid, member.gid, member.mtime, member.linkname)
                    place = _place(member.name)
                    found[place] = (*found.get(place, ()), number, *head, data)
    return found
