"""rpm's databases in their three formats: packages that moved, and the files they brought."""

import sqlite3
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_archives import docker_archive, layer

from repro_audit.verify import rpmdb
from repro_audit.verify.explain import verify_archives
from repro_audit.verify.packages import Installed, read


def header(name, version, release="1", epoch=None, files=()):
    """A header as rpm lays it out: an index of (tag, type, offset, count), then the values."""
    store, index = b"", []

    def add(tag, kind, count, data):
        nonlocal store
        if kind == 4:
            store += bytes(-len(store) % 4)
        index.append((tag, kind, len(store), count))
        store += data

    for tag, text in ((1000, name), (1001, version), (1002, release), (1022, "x86_64")):
        add(tag, 6, 1, text.encode() + b"\0")
    if epoch is not None:
        add(1003, 4, 1, struct.pack(">I", epoch))
    if files:
        folders = sorted({path.rpartition("/")[0] + "/" for path in files})
        places = [folders.index(path.rpartition("/")[0] + "/") for path in files]
        add(1116, 4, len(places), struct.pack(f">{len(places)}I", *places))
        add(1117, 8, len(files), b"".join(path.rpartition("/")[2].encode() + b"\0" for path in files))
        add(1118, 8, len(folders), b"".join(folder.encode() + b"\0" for folder in folders))
    return struct.pack(">II", len(index), len(store)) + b"".join(struct.pack(">IIII", *i) for i in index) + store


def sqlite(tmp_path, headers):
    file = tmp_path / "rpmdb.sqlite"
    file.unlink(missing_ok=True)
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
    database.executemany("INSERT INTO Packages (blob) VALUES (?)", [(h,) for h in headers])
    database.commit()
    database.close()
    return file.read_bytes()


def ndb(_, headers):
    """One page of slots, two of which the file's header takes, then the blobs in blocks of 16 bytes."""
    slots, blobs = b"", b""
    for number, blob in enumerate(headers, 1):
        padded = blob + bytes(-len(blob) % 16)
        slots += struct.pack("<4sIII", b"Slot", number, (4096 + len(blobs)) // 16, len(padded) // 16 + 2)
        blobs += struct.pack("<4sIII", b"BlbS", number, 1, len(blob)) + padded
        blobs += struct.pack("<III4s", 0, len(blob), number, b"BlbE")
    slots += struct.pack("<4sIII", b"Slot", 0, 0, 0) * (254 - len(headers))
    return struct.pack("<4sIII16x", b"RpmP", 0, 1, 1) + slots + blobs


def berkeley(_, headers, size=512, order="<"):
    """A page about the file, one of keys and values, and the pages on which the values go on; the last is kept in
    place.
    """
    *large, small = headers
    rows, chains = [], b""
    for number, blob in enumerate(large):
        first = 2 + len(chains) // size
        rows += [b"\1" + struct.pack(order + "I", number), struct.pack(order + "B3xII", 3, first, len(blob))]
        parts = [blob[at : at + size - 26] for at in range(0, len(blob), size - 26)]
        for at, part in enumerate(parts):
            after = first + at + 1 if at + 1 < len(parts) else 0
            head = struct.pack(order + "8xIIIHHBB", first + at, 0, after, 1, len(part), 0, 7)
            chains += (head + part).ljust(size, b"\0")
    rows += [b"\1" + struct.pack(order + "I", 99), b"\1" + small]
    place, places, body = size, [], b""
    for row in rows:
        place -= len(row)
        places.append(place)
        body = row + body
    head = struct.pack(order + "8xIIIHHBB", 1, 0, 0, len(rows), place, 0, 13)
    page = head + struct.pack(f"{order}{len(places)}H", *places)
    page += bytes(place - len(page)) + body
    about = struct.pack(order + "8xIIIIBB", 0, 0x061561, 9, size, 0, 8).ljust(size, b"\0")
    return about + page + chains


FORMATS = {
    "/usr/lib/sysimage/rpm/rpmdb.sqlite": sqlite,
    "/usr/lib/sysimage/rpm/Packages.db": ndb,
    "/var/lib/rpm/Packages": berkeley,
}


@pytest.mark.parametrize("path", FORMATS)
def test_packages_that_moved_and_their_files_are_read_from_each_format(tmp_path, path):
    def image(number, vim, data):
        brought = ["/usr/bin/bash", *(f"/usr/share/doc/bash/{n}" for n in range(40))]
        headers = [header("bash", "5.2", f"{number}.fc40", None, brought), header("vim", vim, "1", 2)]
        files = {path: FORMATS[path](tmp_path, headers), "/usr/bin/bash": data, "/usr/bin/own": data}
        return docker_archive(tmp_path / f"{number}.tar", [layer([(p.lstrip("/"), d) for p, d in files.items()])])

    comparison = verify_archives(image(1, "9.0", b"old"), image(2, "9.1", b"new"))
    assert [str(p) for p in comparison.packages] == ["bash 5.2-1.fc40 -> 5.2-2.fc40", "vim 2:9.0-1 -> 2:9.1-1"]
    assert comparison.notes == ()
    reasons = {d.path: d.reason for d in comparison.differences}
    assert (reasons[path].cause, reasons["/usr/bin/own"].cause) == ("package-version", "unknown")
    assert reasons["/usr/bin/bash"].why == "it belongs to bash 5.2-1.fc40 -> 5.2-2.fc40"


def test_a_berkeley_database_of_the_other_byte_order():
    blob = header("bash", "5.2", files=[f"/usr/share/{n}" for n in range(99)])
    found = list(rpmdb.headers(berkeley(None, [blob, header("a", "1")], 1024, ">")))
    assert found == [blob, header("a", "1")]
    assert len(rpmdb.files(found[0])) == 99


@pytest.mark.parametrize("path", FORMATS)
def test_a_database_that_cannot_be_read_is_said_so(path):
    found = Installed()
    read(path, b"nothing of the kind", found)
    assert "is not a readable rpm database" in found.unread[0]
    read(path, None, found)
    assert "too large" in found.unread[1]


@given(st.data())
def test_no_damage_to_a_database_stops_the_comparison(data):
    make = data.draw(st.sampled_from([ndb, berkeley]))
    whole = bytearray(make(None, [header("bash", "5.2", "1", 1, ["/a/b", "/c"]), header("vim", "9")]))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    found = Installed()
    read("/var/lib/rpm/Packages", bytes(whole[: data.draw(st.integers(0, len(whole)))]), found)
    for blob in found.headers.values():
        try:
            rpmdb.files(blob)
        except (ValueError, LookupError, struct.error):
            pass
