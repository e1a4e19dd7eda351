"""Each cause is told from real samples: files made by the tools themselves, not invented for the test."""

import bz2
import gzip
import io
import json
import lzma
import marshal
import os
import pickle
import py_compile
import shutil
import sqlite3
import struct
import subprocess
import tarfile
import zipfile

import pytest
from image_archives import F, docker_archive, folder, layer

from repro_audit.verify.causes import reason
from repro_audit.verify.causes.catalogue import CATALOGUE
from repro_audit.verify.causes.evidence import Evidence, Varied
from repro_audit.verify.explain import verify_archives


def explained(tmp_path, path, left, right, varied=None):
    """The one difference of two images that differ in one file (None: not there)."""
    sides = ({path: side} if side is not None else {} for side in (left, right))
    comparison = images(tmp_path, *sides, varied=varied)
    (difference,) = (d for d in comparison.differences if d.path == path)
    return difference


def images(tmp_path, left, right, varied=None):
    paths = []
    for number, files in enumerate((left, right)):
        named = [(path.lstrip("/"), data) for path, data in files.items()]
        paths.append(docker_archive(tmp_path / f"{number}.tar", [layer([("etc", folder()), *named])]))
    return verify_archives(*paths, varied=varied)


def zstd(data):
    try:
        from compression.zstd import compress
    except ImportError:
        from zstandard import compress
    return compress(data)


def need(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here")


def test_every_cause_says_what_to_do():
    for cause in CATALOGUE.values():
        assert cause.why
        assert cause.remedy


def test_only_times(tmp_path):
    difference = explained(tmp_path, "/f", F(b"x", mtime=1), F(b"x", mtime=2))
    assert difference.reason.cause == "timestamps"
    assert "SOURCE_DATE_EPOCH" in difference.reason.remedy
    assert difference.reason.rule == "source-date-epoch"


def compiled(tmp_path, source, mtime, **more):
    file = tmp_path / "module.py"
    file.write_text(source)
    os.utime(file, (mtime, mtime))
    py_compile.compile(str(file), cfile=str(tmp_path / "out.pyc"), dfile="/app/module.py", **more)
    return (tmp_path / "out.pyc").read_bytes()


def test_bytecode_whose_source_has_another_time(tmp_path):
    left, right = (compiled(tmp_path, "x = 1\n", mtime) for mtime in (1_700_000_000, 1_700_000_100))
    reason = explained(tmp_path, "/app/__pycache__/module.cpython-311.pyc", left, right).reason
    assert reason.cause == "python-bytecode"
    assert "header holds the time" in reason.why
    assert reason.inside == ("source time 1700000000 -> 1700000100",)


def test_bytecode_of_a_set_in_another_order(tmp_path):
    # Python before 3.11 wrote the members of a set constant in the order of their hashes
    header = compiled(tmp_path, "", 1)[:16]
    left, right = (header + marshal.dumps(names) for names in (("alpha", "beta"), ("beta", "alpha")))
    reason = explained(tmp_path, "/m.pyc", left, right).reason
    assert reason.cause == "python-bytecode"
    assert "PYTHONHASHSEED" in reason.inside[0]


def test_bytecode_of_other_code_shows_the_strings_that_differ(tmp_path):
    left, right = (compiled(tmp_path, f"built = '{day}'\n", 1) for day in ("monday", "friday"))
    reason = explained(tmp_path, "/m.pyc", left, right).reason
    assert any("only in the first" in line and "monday" in line for line in reason.inside)


def test_bytecode_that_only_one_build_made(tmp_path):
    assert (
        explained(tmp_path, "/a/__pycache__/b.pyc", compiled(tmp_path, "", 1), None).reason.cause == "python-bytecode"
    )


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("/var/log/apt/history.log", "apt-log"),
        ("/var/log/dpkg.log", "apt-log"),
        ("/var/log/alternatives.log", "apt-log"),
        ("/var/cache/apt/pkgcache.bin", "apt-cache"),
        ("/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease", "apt-cache"),
        ("/var/cache/debconf/config.dat-old", "apt-cache"),
        ("/var/log/dnf.rpm.log", "rpm-log"),
        ("/root/.cache/pip/http-v2/1/2/3/4/5/x", "pip-cache"),
        ("/var/cache/ldconfig/aux-cache", "ldconfig-cache"),
        ("/etc/ld.so.cache", "ldconfig-cache"),
        ("/etc/machine-id", "machine-id"),
        ("/opt/conda/conda-meta/history", "conda-history"),
        ("/opt/conda/pkgs/urls.txt", "package-cache"),
        ("/root/.npm/_logs/2024-01-01T00_00_00_000Z-debug-0.log", "package-cache"),
        ("/var/log/faillog", "log"),
    ],
)
def test_files_that_tools_write_are_known_by_their_place(tmp_path, path, cause):
    assert explained(tmp_path, path, b"first 1\n", b"second 2\n").reason.cause == cause


def test_the_linker_cache_of_a_real_ldconfig(tmp_path):
    program = shutil.which("ldconfig") or "/sbin/ldconfig"
    if not os.path.exists(program):
        pytest.skip("ldconfig is not installed here")
    sides = []
    for number in range(2):
        root = tmp_path / f"root{number}"
        for part in ("etc", "usr/lib", "var/cache/ldconfig"):
            (root / part).mkdir(parents=True)
        (root / "etc/ld.so.conf").write_text("/usr/lib\n")
        shutil.copy("/bin/true", root / "usr/lib/libx.so.1")
        made = subprocess.run([program, "-r", str(root)], capture_output=True)
        aux = root / "var/cache/ldconfig/aux-cache"
        if made.returncode or not aux.exists():
            pytest.skip("ldconfig cannot work in another root here")
        sides.append(aux.read_bytes())
    if sides[0] == sides[1]:
        pytest.skip("two caches came out equal")
    assert explained(tmp_path, "/var/cache/ldconfig/aux-cache", *sides).reason.cause == "ldconfig-cache"


SHADOW = b"root:*:19700:0:99999:7:::\nbob:!:%d:0:99999:7:::\n"


def test_the_day_in_shadow(tmp_path):
    difference = explained(tmp_path, "/etc/shadow", SHADOW % 19700, SHADOW % 19701)
    assert difference.reason.cause == "shadow-date"
    assert difference.reason.inside == ("bob: day 19700 -> 19701",)
    assert difference.reason.diff == ""  # password hashes are nobody's business


def test_a_password_in_shadow_is_no_question_of_days_and_is_never_shown(tmp_path):
    left, right = SHADOW % 19700, (SHADOW % 19701).replace(b"bob:!", b"bob:$6$x")
    reason = explained(tmp_path, "/etc/shadow", left, right).reason
    assert (reason.cause, reason.diff) == ("unknown", "")


def test_a_password_that_was_hashed_with_another_salt(tmp_path):
    left, right = ((SHADOW % 19700).replace(b"bob:!", b"bob:$y$j9T$" + salt) for salt in (b"7gb$m", b"Vta$d"))
    reason = explained(tmp_path, "/etc/shadow", left, right).reason
    assert (reason.cause, reason.inside, reason.diff) == ("password-salt", ("bob: another hash",), "")


def test_ssh_host_keys(tmp_path):
    need("ssh-keygen")
    sides = []
    for number in range(2):
        key = tmp_path / f"key{number}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        sides.append(key.read_bytes())
    reason = explained(tmp_path, "/etc/ssh/ssh_host_ed25519_key", *sides).reason
    assert (reason.cause, reason.diff) == ("ssh-host-key", "")


@pytest.mark.parametrize("half", ["", ".pub"])
def test_ssh_keys_of_a_user(tmp_path, half):
    need("ssh-keygen")
    sides = []
    for number in range(2):
        key = tmp_path / f"key{number}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        sides.append((tmp_path / f"key{number}{half}").read_bytes())
    for path in (f"/root/.ssh/id_ed25519{half}", f"/srv/deploy{half}"):
        reason = explained(tmp_path, path, *sides).reason
        assert (reason.cause, reason.diff) == ("generated-key", "")


def test_keys_elsewhere(tmp_path):
    need("openssl")
    command = ["openssl", "genpkey", "-algorithm", "ed25519"]
    sides = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)]
    reason = explained(tmp_path, "/srv/server.key", *sides).reason
    assert (reason.cause, reason.diff) == ("generated-key", "")


@pytest.mark.parametrize(
    ("left", "right"),
    [("/tmp/SeHUGC", "/tmp/cwUPkF"), ("/opt/a/SeHUGC", "/opt/a/cwUPkF"), ("/opt/x1Y2z3", "/opt/p9QrS4")],
)
def test_what_mktemp_makes_up_without_a_prefix_is_known(tmp_path, left, right):
    comparison = images(tmp_path, {left: b"x"}, {right: b"x"})
    assert {d.reason.cause for d in comparison.differences if d.path != "/opt/a"} == {"random-name"}


def test_words_on_one_side_only_are_no_random_names(tmp_path):
    comparison = images(tmp_path, {"/opt/OneClass": b"x"}, {"/opt/TwoClass": b"other"})
    assert {d.reason.cause for d in comparison.differences} == {"unknown"}
    comparison = images(tmp_path, {"/tmp/results": b"x"}, {"/tmp/Makefile": b"x"})
    assert {d.reason.cause for d in comparison.differences} == {"unknown"}


def test_where_a_link_leads_is_read_like_text(tmp_path):
    def linked(one, two):
        sides = ({"/link": F(type=tarfile.SYMTYPE, link=side)} for side in (one, two))
        (difference,) = images(tmp_path, *sides).differences
        return difference.reason

    dated = linked("1795446859", "1795446862")
    assert (dated.cause, dated.inside) == ("embedded-date", ("1795446859 -> 1795446862",))
    assert linked("/releases/2026-11-23_14:00:01", "/releases/2026-11-23_14:00:09").cause == "embedded-date"
    assert linked("/tmp/tmp.SeHUGC", "/tmp/tmp.cwUPkF").cause == "build-path"
    other = linked("one", "two")
    assert (other.cause, other.why) == ("unknown", "target: one -> two")


def test_names_made_at_random_are_paired(tmp_path):
    comparison = images(tmp_path, {"/opt/tmpab12cd34": b"x"}, {"/opt/tmpzz98yy76": b"x"})
    assert {d.reason.cause for d in comparison.differences} == {"random-name"}
    assert comparison.differences[0].reason.inside == ("on the other side it is called /opt/tmpzz98yy76",)


def test_a_file_that_is_merely_missing_has_no_random_name(tmp_path):
    assert explained(tmp_path, "/opt/config.yaml", b"x", None).reason.cause == "unknown"


def zipped(stamp, text="hello"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.py", (2024, 1, 1, 0, 0, stamp)), text)
        archive.writestr(zipfile.ZipInfo("b.py", (2024, 1, 1, 0, 0, 0)), "same")
    return out.getvalue()


def test_a_zip_whose_members_have_other_times(tmp_path):
    assert "zip -X" in explained(tmp_path, "/app.zip", zipped(0), zipped(2)).reason.remedy
    reason = explained(tmp_path, "/app.whl", zipped(0), zipped(2)).reason
    assert reason.cause == "archive-header"
    assert "builds wheels" in reason.remedy
    assert len(reason.inside) == 1
    assert reason.inside[0].startswith("a.py: time")


def test_a_zip_whose_members_differ(tmp_path):
    reason = explained(tmp_path, "/app.jar", zipped(0), zipped(0, "other")).reason
    assert (reason.cause, reason.inside) == ("archive-content", ("other content: a.py",))


def test_a_gzip_header(tmp_path):
    left, right = (gzip.compress(b"data" * 50, mtime=mtime) for mtime in (1, 2))
    reason = explained(tmp_path, "/usr/share/doc/x.gz", left, right).reason
    assert (reason.cause, reason.inside) == ("gzip-header", ("time in the gzip header 1 -> 2",))


def test_a_gzip_file_with_another_text_shows_the_text(tmp_path):
    left, right = (gzip.compress(text, mtime=1) for text in (b"a\nb\n", b"a\nc\n"))
    reason = explained(tmp_path, "/x.gz", left, right).reason
    assert reason.cause == "archive-content"
    assert "-b" in reason.inside
    assert "+c" in reason.inside


@pytest.mark.parametrize("pack", [bytes, lambda data: gzip.compress(data, mtime=1)])
def test_a_tar_whose_members_have_other_times(tmp_path, pack):
    left, right = (pack(layer([("f", F(b"x", mtime=m))], tarfile.USTAR_FORMAT)) for m in (1, 2))
    reason = explained(tmp_path, "/x.tar", left, right).reason
    assert reason.cause == "archive-header"
    assert reason.inside[0].startswith("f: time 1")


def test_a_static_library_with_times(tmp_path):
    need("ar")
    (tmp_path / "a.o").write_bytes(b"object")
    sides = []
    for mtime in (1_000_000_000, 1_100_000_000):
        os.utime(tmp_path / "a.o", (mtime, mtime))
        (tmp_path / "l.a").unlink(missing_ok=True)
        subprocess.run(["ar", "rcU", "l.a", "a.o"], cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
        sides.append((tmp_path / "l.a").read_bytes())
    reason = explained(tmp_path, "/usr/lib/l.a", *sides).reason
    assert reason.cause == "archive-header"
    assert "ar rcD" in reason.remedy


def gcc(tmp_path, source, *options, name="m.c", cwd=None):
    need("gcc")
    folder_ = cwd or tmp_path
    folder_.mkdir(exist_ok=True)
    (folder_ / name).write_text(source)
    subprocess.run(["gcc", *options, "-o", "out", name], cwd=folder_, check=True)
    return (folder_ / "out").read_bytes()


@pytest.mark.parametrize("pack", [lzma.compress, bz2.compress, zstd])
def test_tars_and_texts_are_looked_into_however_they_are_compressed(tmp_path, pack):
    tars = (pack(layer([("f", F(b"x", mtime=m))], tarfile.USTAR_FORMAT)) for m in (1, 2))
    assert explained(tmp_path, "/x.tar.z", *tars).reason.cause == "archive-header"
    texts = (pack(b"built on 2024-01-0%d\n" % n) for n in (1, 2))
    reason = explained(tmp_path, "/x.z", *texts).reason
    assert reason.cause == "archive-content"
    assert "SOURCE_DATE_EPOCH" in reason.remedy


def test_one_content_packed_at_two_levels(tmp_path):
    data = os.urandom(99) * 50
    sides = (bz2.compress(data, level) for level in (1, 9))
    assert explained(tmp_path, "/x.bz2", *sides).reason.cause == "archive-header"


def test_what_differs_within_a_member_of_an_archive_is_told_too(tmp_path):
    left, right = (zipped(0, f"built on 2024-01-0{n}") for n in (1, 2))
    reason = explained(tmp_path, "/app.jar", left, right).reason
    assert reason.cause == "archive-content"
    assert reason.inside[0].startswith("other content: a.py (embedded-date:")
    assert "SOURCE_DATE_EPOCH" in reason.remedy


def test_a_debian_package_is_told_how_dpkg_takes_a_time(tmp_path):
    need("dpkg-deb")
    folder_ = tmp_path / "d/DEBIAN"
    folder_.mkdir(parents=True)
    folder_.chmod(0o755)
    (folder_ / "control").write_text("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n")
    sides = []
    for epoch in ("1700000000", "1700086400"):
        env = {**os.environ, "SOURCE_DATE_EPOCH": epoch}
        subprocess.run(["dpkg-deb", "-b", tmp_path / "d", tmp_path / "x.deb"], env=env, check=True, capture_output=True)
        sides.append((tmp_path / "x.deb").read_bytes())
    reason = explained(tmp_path, "/x.deb", *sides).reason
    assert "dpkg-deb" in reason.remedy


def test_archives_within_archives_end_somewhere(tmp_path):
    sides = []
    for number in range(2):
        data = b"built on 2024-01-0%d" % (number + 1)
        for _ in range(6):
            data = gzip.compress(data, mtime=1)
        sides.append(data)
    assert explained(tmp_path, "/x.gz", *sides).reason.cause == "archive-content"


def test_the_rows_of_a_database_are_told_as_lines_are(tmp_path):
    def database(*rows):
        file = tmp_path / "made.sqlite"
        file.unlink(missing_ok=True)
        made = sqlite3.connect(file)
        made.execute("CREATE TABLE t(x)")
        for row in rows:
            made.execute("INSERT INTO t VALUES (?)", (row,))
            made.commit()
        made.close()
        return file.read_bytes()

    reason = explained(tmp_path, "/srv/a.db", database("2024-01-01 10:00:00"), database("2024-01-02 11:00:00")).reason
    assert reason.cause == "embedded-date"
    assert any("2024-01-02" in line for line in reason.inside)
    assert explained(tmp_path, "/srv/a.db", database("red"), database("blue")).reason.cause == "unknown"
    changed = bytearray(database("red"))
    changed[27] += 1  # the counter of changes
    assert explained(tmp_path, "/srv/a.db", database("red"), bytes(changed)).reason.cause == "archive-header"


def test_arrays_of_numpy(tmp_path):
    head = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }".ljust(127) + b"\n"
    sides = (head + struct.pack("<4d", *numbers) for numbers in ((1, 2, 3, 4), (1, 2, 3, 5)))
    assert explained(tmp_path, "/w.npy", *sides).reason.cause == "random-number"


def test_a_request_for_a_certificate(tmp_path):
    need("openssl")
    make = "openssl req -new -newkey rsa:1024 -nodes -keyout /dev/null -subj /CN=x".split()
    sides = [subprocess.run(make, capture_output=True, check=True).stdout for _ in range(2)]
    assert explained(tmp_path, "/etc/a.csr", *sides).reason.cause == "generated-key"


def test_a_machine_named_after_its_container_is_a_host_where_the_command_asks(tmp_path):
    for command, cause in (("hostname > /name", "embedded-host"), ("od /dev/urandom > /name", "random-number")):
        verdict = reason(
            Evidence("/name", frozenset(("content",)), b"7db07c99e59f\n", b"8cb9b81ab4c5\n", created_by=command)
        )
        assert verdict.cause == cause


def test_pickles_are_known_by_their_bytes(tmp_path):
    left, right = (pickle.dumps({"made": name}) for name in ("red", "blue"))
    assert explained(tmp_path, "/app/model.pkl", left, right).reason.cause == "pickled-data"


def test_certificates_in_binary_form(tmp_path):
    need("openssl")
    make = "openssl req -x509 -newkey rsa:1024 -nodes -keyout /dev/null -subj /CN=x -outform der".split()
    sides = [subprocess.run(make, capture_output=True, check=True).stdout for _ in range(2)]
    assert explained(tmp_path, "/etc/ssl/site.der", *sides).reason.cause == "generated-key"


def test_what_git_keeps_beside_the_files(tmp_path):
    need("git")
    sides = []
    for number in range(2):
        folder_ = tmp_path / f"repository{number}"
        git = ["git", "-C", str(folder_), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        folder_.mkdir()
        when = f"170000000{number} +0000"
        env = {**os.environ, "GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
        (folder_ / "f").write_text("1")
        for words in (["init", "-q"], ["add", "f"], ["commit", "-qm", "x"]):
            subprocess.run([*git, *words], check=True, env=env)
        files = (f for f in folder_.rglob("*") if f.is_file())
        sides.append({f"/src/{f.relative_to(folder_)}": f.read_bytes() for f in files})
    named = {d.path: d.reason.cause for d in images(tmp_path, *sides).differences}
    assert set(named.values()) == {"git-metadata"}, named
    assert "/src/.git/logs/HEAD" in named


def test_a_program_that_holds_the_time_of_its_compilation(tmp_path):
    source = 'const char *built = __DATE__ " " __TIME__; int main(void) { return built[0]; }'
    sides = []
    for epoch in ("1700000000", "1700086461"):
        os.environ["SOURCE_DATE_EPOCH"] = epoch
        try:
            sides.append(gcc(tmp_path, source))
        finally:
            del os.environ["SOURCE_DATE_EPOCH"]
    reason = explained(tmp_path, "/usr/bin/tool", *sides).reason
    assert reason.cause == "compile-time"
    assert any("Nov 14 2023" in line for line in reason.inside)


def test_a_program_that_holds_the_folder_it_was_built_in(tmp_path):
    source = "int main(void) { return 0; }"
    sides = [gcc(tmp_path, source, "-g", cwd=tmp_path / name) for name in ("one", "two")]
    reason = explained(tmp_path, "/usr/bin/tool", *sides).reason
    assert reason.cause == "build-path"
    assert any(".debug" in line for line in reason.inside)


def test_a_program_of_which_only_the_build_id_differs(tmp_path):
    source = "int main(void) { return 0; }"
    sides = [gcc(tmp_path, source, f"-Wl,--build-id=0x{n:040x}") for n in (1, 2)]
    reason = explained(tmp_path, "/usr/bin/tool", *sides).reason
    assert reason.cause == "compiler-output"
    assert "only the build id" in reason.why


def test_an_object_whose_names_have_a_random_seed(tmp_path):
    source = "int main(void) { return 0; }"
    sides = [gcc(tmp_path, source, "-c", "-flto", f"-frandom-seed={seed}") for seed in ("one", "two")]
    reason = explained(tmp_path, "/usr/lib/m.o", *sides).reason
    assert reason.cause == "compiler-output"
    assert "-frandom-seed" in reason.remedy
    assert reason.inside[0].startswith("name with a seed: .gnu.lto_")


def test_the_notes_that_gcc_writes_for_coverage(tmp_path):
    sides = []
    for number in range(2):
        gcc(tmp_path, f"int main(void) {{ return {number}; }}", "-c", "--coverage")
        sides.append((tmp_path / "out.gcno").read_bytes())
    reason = explained(tmp_path, "/src/m.gcno", *sides).reason
    assert reason.cause == "compiler-output"
    assert "coverage" in reason.remedy


def test_a_module_built_where_pip_builds_is_told_how_pip_leaves_the_path_out(tmp_path):
    source = "int main(void) { return 0; }"
    sides = [
        gcc(tmp_path, source, "-g", f"-fdebug-prefix-map={tmp_path}=/tmp/pip-install-{x}/demo_{x * 4}") for x in "ab"
    ]
    reason = explained(tmp_path, "/usr/lib/python3/dist-packages/_demo.so", *sides).reason
    assert reason.cause == "build-path"
    assert "CFLAGS=-g0 pip install" in reason.remedy


def test_a_program_with_other_code(tmp_path):
    sides = [gcc(tmp_path, f"int main(void) {{ return {n}; }}", "-Wl,--build-id=none") for n in (1, 2)]
    reason = explained(tmp_path, "/usr/bin/tool", *sides).reason
    assert reason.cause == "compiler-output"
    assert ".text" in reason.inside[0]


@pytest.mark.parametrize(
    ("left", "right", "cause"),
    [
        ("built 2024-01-01 10:00:00 UTC\n", "built 2024-01-02 11:30:00 UTC\n", "embedded-date"),
        ("Mon Jan  1 10:00:00 UTC 2024\n", "Tue Jan 23 11:30:00 UTC 2024\n", "embedded-date"),
        ('{"time": 1704103200.123}', '{"time": 1704103201.5}', "embedded-date"),
        ("id: 8d3c6e0a-8f56-4c9e-9a50-2f6d0a1b2c3d\n", "id: 11112222-8f56-4c9e-9a50-000011112222\n", "embedded-uuid"),
        ("src=/tmp/tmpab12/x\n", "src=/tmp/tmpzz99/x\n", "build-path"),
        ("hash 9f86d081884c7d65\n", "hash 1b4f0e9851971998\n", "random-number"),
        ("token: 8fKq2LmZpX0aVb7Rt1Yw\n", "token: Zq91xWmKe3LtPv5Ub8Ha\n", "random-number"),
        ("at: 1704103200, of: a c b\n", "at: 1704103201, of: c b a\n", "embedded-date"),
        ("admin:$apr1$wlqI5aMY$3X.7/fT/Dc9WJ\n", "admin:$apr1$Mkyk7hve$FO96OxT7vYze8\n", "password-salt"),
        ("2024-01-01 10:00:00 loss red\n", "2024-01-01 10:00:02 loss blue\n", "embedded-date"),
        ("2024-01-01\nred\n", "2024-01-02\nblue\n", "unknown"),
        ("id 7009588EDB101B24\n", "id 1F2C0A9D77E3B845\n", "random-number"),
        ("weight 0.1234\n", "weight 0.9876\n", "random-number"),
        ("hostname: build-1\n", "hostname: runner-abc\n", "embedded-host"),
        ("a\nb\nc\n", "c\na\nb\n", "line-order"),
        ("{'a', 'b'}\n", "{'b', 'a'}\n", "line-order"),
        ("red\n", "blue\n", "unknown"),
    ],
)
def test_what_was_written_into_a_text_file(tmp_path, left, right, cause):
    difference = explained(tmp_path, "/srv/x", left.encode(), right.encode())
    assert difference.reason.cause == cause
    if cause in ("password-salt", "line-order"):
        assert difference.reason.diff == ""
    else:
        assert difference.reason.diff.startswith("--- first\n+++ second")


VARIED = Varied("build-2", "tr_TR.UTF-8", "Pacific/Kiritimati", ("/tmp/x/1", "/tmp/x/another/place"), (0o022, 0o027))


@pytest.mark.parametrize(
    ("left", "right", "cause"),
    [
        ("first\n", "build-2\n", "embedded-host"),
        ("http://first:80/ and first\n", "http://build-2:80/ and build-2\n", "embedded-host"),
        ("C\n", "tr_TR.UTF-8\n", "embedded-locale"),
        ("zone=;\n", "zone=Pacific/Kiritimati;\n", "embedded-locale"),
        ("src=/tmp/x/1/a\n", "src=/tmp/x/another/place/a\n", "build-path"),
        ("first\nred\n", "build-2\nblue\n", "unknown"),
    ],
)
def test_a_file_that_differs_by_what_was_varied_is_told_so(tmp_path, left, right, cause):
    difference = explained(tmp_path, "/srv/x", left.encode(), right.encode(), varied=VARIED)
    assert difference.reason.cause == cause


def test_permissions_that_follow_the_umask_are_told_from_others(tmp_path):
    for mode, cause in ((0o640, "umask"), (0o600, "unknown")):
        difference = explained(tmp_path, "/f", F(b"x", mode=0o644), F(b"x", mode=mode), varied=VARIED)
        assert difference.reason.cause == cause


def test_random_bytes(tmp_path):
    assert explained(tmp_path, "/srv/seed", os.urandom(512), os.urandom(512)).reason.cause == "random-number"


def test_a_record_that_lists_bytecode(tmp_path):
    left, right = (f"a.py,sha256=x,1\n__pycache__/a.pyc,sha256={h},2\n".encode() for h in "pq")
    reason = explained(tmp_path, "/usr/lib/python3/site-packages/a-1.dist-info/RECORD", left, right).reason
    assert (reason.cause, reason.inside) == ("pip-record", ("__pycache__/a.pyc",))


def test_condas_record_of_a_package(tmp_path):
    left, right = (json.dumps({"name": "x", "version": "1", "build": "0", "timestamp": n}).encode() for n in (1, 2))
    assert explained(tmp_path, "/opt/conda/conda-meta/x-1-0.json", left, right).reason.cause == "conda-history"


def test_modes_and_owners_say_what_they_were(tmp_path):
    difference = explained(tmp_path, "/f", F(b"x", mode=0o644), F(b"x", mode=0o600))
    assert difference.reason.why == "mode: 0644 -> 0600"


def test_a_file_larger_than_is_kept_is_said_to_be_so(tmp_path):
    from repro_audit.verify.explain import Depth

    paths = []
    for number in range(2):
        files = [(f"f{n}", bytes([number + 1]) * 5000) for n in range(5)]
        paths.append(docker_archive(tmp_path / f"{number}.tar", [layer(files)]))
    comparison = verify_archives(*paths, depth=Depth(file=5000, total=12_000))
    assert any("3 differing files not looked into" in note for note in comparison.notes)
    assert len(comparison.differences) == 5


def test_hostile_content_never_breaks_the_explanation(tmp_path):
    seeds = [
        b"\x7fELF\x02\x01" + b"\xff" * 200,
        b"PK\x03\x04" + b"\xff" * 99,
        b"\x1f\x8b\x08" + b"\xff" * 50,
        b"!<arch>\n" + b"9" * 300,
    ]
    seeds += [
        b"\xfd7zXZ\x00" + b"\xff" * 60,
        b"BZh9" + b"\xff" * 60,
        b"]\0\0" + b"\xff" * 60,
        b"\x28\xb5\x2f\xfd" + b"\xff" * 60,
    ]
    seeds += [b"SQLite format 3\0" + b"\xff" * 200, b"\x80\x04" + b"\xff" * 20, b"\xed\xab\xee\xdb", b"\x93NUMPY"]
    seeds += [b"\0" * 257 + b"ustar" + b"\xff" * 300, b"\xff" * 20, b""]
    left = {f"/f{n}": seed for n, seed in enumerate(seeds)}
    right = {f"/f{n}": seed + b"\x00\xfe" for n, seed in enumerate(seeds)}
    for path in (
        "/a.pyc",
        "/var/lib/dpkg/status",
        "/usr/lib/sysimage/rpm/rpmdb.sqlite",
        "/usr/lib/sysimage/rpm/Packages.db",
        "/etc/ssl/a.der",
        "/c/conda-meta/x.json",
        "/etc/shadow",
    ):
        left[path], right[path] = b"\xff\xfe[", b"{\x00"
    comparison = images(tmp_path, left, right)
    assert len(comparison.differences) == len(left)
