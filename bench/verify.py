"""How fast two images are compared, and with how much memory: writes two archives that differ in one file of a
hundred, and compares.

    python bench/verify.py [--files 20000] [--megabytes 1000] [--compression none|gzip|zstd] [--layers 5] [--folder
    DIR] [--names 200] [--links 10] [--xattrs]

`--names` is the length of paths in bytes, `--links` makes every tenth file a hard link, `--xattrs` gives each file
attributes of its own.

Every layer differs, so that both sides are read whole (shared layers are read only once). Peak memory is that of the
process that compares.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib


class Counted:
    """A file that hashes what is written, compressing it on the way where asked to."""

    def __init__(self, file, compression):
        self.file, self.inner, self.outer = file, hashlib.sha256(), hashlib.sha256()
        self.size = self.raw = 0
        self.packer = None
        if compression == "gzip":
            self.packer = zlib.compressobj(1, wbits=31)
        elif compression == "zstd":
            import zstandard

            self.packer = zstandard.ZstdCompressor(level=1).compressobj()

    def put(self, data):
        self.outer.update(data)
        self.size += len(data)
        self.file.write(data)

    def write(self, data):
        self.inner.update(data)
        self.raw += len(data)
        self.put(self.packer.compress(data) if self.packer else data)
        return len(data)

    def close(self):
        if self.packer:
            self.put(self.packer.flush())


def write_image(folder, side, files, size, layers, compression, names=0, links=0, xattrs=False):
    """An OCI layout in `folder`; gives the number of unpacked bytes."""
    os.makedirs(f"{folder}/blobs/sha256")
    pool = random.Random(0).randbytes(8 << 20)
    described, diff_ids, total = [], [], 0
    for index in range(layers):
        rng = random.Random(index)  # the same on both sides
        with open(f"{folder}/layer", "wb") as file:
            out = Counted(file, compression)
            before = ""
            with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as tar:
                for number in range(files // layers):
                    info = tarfile.TarInfo(
                        f"usr/lib/python3/site-packages/package{number % 400}/module_{index}_{number}.py"
                    )
                    if names:
                        # the last folder and the name itself are unlike those of any other file
                        unlike = f"{rng.getrandbits(64):016x}" * (names // 16 + 1)
                        info.name = f"{info.name[:-3]}/{unlike}"[: max(names, len(info.name))]
                        info.name = "/".join(info.name[at : at + 200] for at in range(0, len(info.name), 200))
                    if xattrs:
                        info.pax_headers["SCHILY.xattr.user.origin"] = f"{number} " + "x" * 40
                        info.pax_headers["SCHILY.xattr.security.capability"] = f"{rng.getrandbits(256):064x}"
                    if links and number and number % links == 0:
                        info.type, info.linkname = tarfile.LNKTYPE, before
                        tar.addfile(info)
                        continue
                    before = info.name
                    info.size = int(rng.expovariate(files / size)) if number else 1 << 20
                    info.mtime = 1_700_000_000 + (side if number % 50 == 0 else 0)
                    start = rng.randrange(4 << 20)
                    data = (pool[start : start + min(info.size, 4 << 20)] + b"text that repeats " * 60) * (
                        info.size // (4 << 20) + 1
                    )
                    data = data[: info.size]
                    if number % 100 == 0:
                        data = data[:-8] + f"side {side} {number}"[:8].encode().ljust(8) if len(data) > 8 else data
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
            out.close()
        digest = out.outer.hexdigest()
        os.rename(f"{folder}/layer", f"{folder}/blobs/sha256/{digest}")
        described.append({"digest": f"sha256:{digest}", "size": out.size})
        diff_ids.append(f"sha256:{out.inner.hexdigest()}")
        total += out.raw

    def put(document):
        data = json.dumps(document).encode()
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{folder}/blobs/sha256/{digest}", "wb") as file:
            file.write(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    config = put({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    manifest = put({"schemaVersion": 2, "config": config, "layers": described})
    for name, document in (("oci-layout", {"imageLayoutVersion": "1.0.0"}), ("index.json", {"manifests": [manifest]})):
        with open(f"{folder}/{name}", "w") as file:
            json.dump(document, file)
    return total


def compare(left, right):
    """Runs in a process of its own: compares, and prints what it took."""
    from repro_audit.verify.explain import verify_archives

    start = time.perf_counter()
    comparison = verify_archives(left, right)
    took = time.perf_counter() - start
    cpu = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "seconds": took,
                "cpu": cpu,
                "peak_mb": peak,
                "differences": len(comparison.differences),
                "result": comparison.result,
            }
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--compression", choices=["none", "gzip", "zstd"], default="gzip")
    parser.add_argument("--names", type=int, default=0, metavar="BYTES")
    parser.add_argument("--links", type=int, default=0, metavar="N")
    parser.add_argument("--xattrs", action="store_true")
    parser.add_argument("--folder", help="where the archives are written (removed at the end)")
    parser.add_argument("--compare", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.compare:
        compare(*options.compare)
        return
    work = tempfile.mkdtemp(prefix="bench-verify-", dir=options.folder)
    try:
        sides = [f"{work}/{side}" for side in (0, 1)]
        total = 0
        for side, folder in enumerate(sides):
            total += write_image(
                folder,
                side,
                options.files,
                options.megabytes * 10**6,
                options.layers,
                options.compression,
                options.names,
                options.links,
                options.xattrs,
            )
        done = subprocess.run(
            [sys.executable, __file__, "--compare", *sides], capture_output=True, text=True, check=True, env=os.environ
        )
        found = json.loads(done.stdout)
        print(
            f"{options.files} files, {total / 2e6:.0f} MB unpacked each, {options.compression}: "
            f"{found['seconds']:.1f} s ({found['cpu']:.1f} s of CPU), "
            f"{total / found['seconds'] / 1e6:.0f} MB/s over both images, "
            f"peak {found['peak_mb']:.0f} MB, {found['differences']} differences, {found['result']}"
        )
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
