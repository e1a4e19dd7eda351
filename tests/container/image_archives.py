"""Writes small image archives, as docker, podman and BuildKit lay them out, for tests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class F:
    """A file for a layer: a regular one unless `type` says otherwise."""

    data: bytes = b""
    mtime: float = 1_700_000_000
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    type: bytes = tarfile.REGTYPE
    link: str = ""
    device: tuple[int, int] = (0, 0)
    pax: dict[str, str] = field(default_factory=dict)
    uname: str = ""


def folder(mtime: float = 1_700_000_000, mode: int = 0o755) -> F:
    return F(type=tarfile.DIRTYPE, mtime=mtime, mode=mode)


def symlink(to: str, **more) -> F:
    return F(type=tarfile.SYMTYPE, link=to, mode=0o777, **more)


def hardlink(to: str) -> F:
    return F(type=tarfile.LNKTYPE, link=to)


def layer(files: dict[str, F | bytes] | list[tuple[str, F | bytes]], style: int = tarfile.PAX_FORMAT) -> bytes:
    """The tar of a layer, members in the order given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as tar:
        for name, item in files.items() if isinstance(files, dict) else files:
            file = item if isinstance(item, F) else F(item)
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime, info.uid, info.gid = file.type, file.mode, file.mtime, file.uid, file.gid
            info.linkname, info.uname, info.gname = file.link, file.uname, file.uname
            info.devmajor, info.devminor = file.device
            info.pax_headers = dict(file.pax)
            if file.type == tarfile.REGTYPE:
                info.size = len(file.data)
            tar.addfile(info, io.BytesIO(file.data))
    return out.getvalue()


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def config(tars: list[bytes], history: list | None = None, **more) -> dict:
    if history is None:
        history = [
            {"created_by": f"RUN /bin/sh -c step {n} # buildkit", "created": "2024-01-01T00:00:00Z"}
            for n in range(len(tars))
        ]
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/usr/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [sha(t) for t in tars]},
        "history": history,
        **more,
    }


def tar_of(files: list[tuple[str, F | bytes]]) -> bytes:
    return layer(files, tarfile.USTAR_FORMAT)


def docker_archive(path: Path, tars: list[bytes], history: list | None = None, tags=("test:latest",), **more) -> str:
    """The layout of `docker save` before Docker 25: `<id>/layer.tar`."""
    document = json.dumps(config(tars, history, **more)).encode()
    name = hashlib.sha256(document).hexdigest() + ".json"
    files: list[tuple[str, F | bytes]] = []
    names = []
    for index, tar in enumerate(tars):
        names.append(f"{index:064x}/layer.tar")
        files += [(f"{index:064x}", folder()), (names[-1], tar)]
    files += [(name, document)]
    files += [("manifest.json", json.dumps([{"Config": name, "RepoTags": list(tags), "Layers": names}]).encode())]
    path.write_bytes(tar_of(files))
    return str(path)


def pack(tar: bytes, compression: str) -> bytes:
    if compression == "gzip":
        return gzip.compress(tar, mtime=0)
    if compression == "zstd":
        import zstandard

        return zstandard.ZstdCompressor().compress(tar)
    return tar


def oci_files(images: list[dict], compression: str = "gzip", names: list[str] | None = None) -> dict[str, bytes]:
    """The files of an OCI layout. Each image is `{"tars": [...], **config}`, with `platform` beside where there are several."""
    blobs: dict[str, bytes] = {}

    def put(data: bytes) -> dict:
        blobs["blobs/" + sha(data).replace(":", "/")] = data
        return {"digest": sha(data), "size": len(data)}

    manifests = []
    for number, image in enumerate(images):
        image = dict(image)
        tars, platform = image.pop("tars"), image.pop("platform", None)
        if platform:
            image["architecture"] = platform.split("/")[1]
        document = put(json.dumps(config(tars, **image)).encode())
        layers = [put(pack(t, compression)) for t in tars]
        manifest = put(json.dumps({"schemaVersion": 2, "config": document, "layers": layers}).encode())
        manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json"
        if platform:
            os, _, arch = platform.partition("/")
            manifest["platform"] = {"os": os, "architecture": arch}
        if names:
            manifest["annotations"] = {"io.containerd.image.name": names[number]}
        manifests.append(manifest)
    index: dict = {"schemaVersion": 2, "manifests": manifests}
    return {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', **blobs, "index.json": json.dumps(index).encode()}


def oci_tar(path: Path, images: list[dict], **more) -> str:
    path.write_bytes(tar_of(list(oci_files(images, **more).items())))
    return str(path)


def oci_folder(path: Path, images: list[dict], **more) -> str:
    for name, data in oci_files(images, **more).items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return str(path)
