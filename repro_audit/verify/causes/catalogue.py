"""Every cause by its id: what it is, what removes it, and the audit rule that foresees it."""

from __future__ import annotations

from typing import NamedTuple


class Cause(NamedTuple):
    """`why` says what happened, `remedy` what would remove the difference, `rule` which rule warns of it."""

    why: str
    remedy: str
    rule: str | None = None


_EPOCH = "set SOURCE_DATE_EPOCH and export with rewrite-timestamp=true (BuildKit) or --timestamp (buildah, podman)"
# BuildKit hands the value to the commands of a stage that declares it
_ARG = "declare ARG SOURCE_DATE_EPOCH in the stage, before the RUN"
_CLEAN = "remove it in the same RUN that made it"

CATALOGUE: dict[str, Cause] = {
    "timestamps": Cause("only its times differ", _EPOCH, "source-date-epoch"),
    "file-order": Cause(
        "it stands elsewhere in the layer's archive", "use a builder that sorts a layer's files (BuildKit does)"
    ),
    "tar-header": Cause(
        "only the tar header differs (owner's name, tar format, access times), not the file",
        "build both images with the same builder and version",
    ),
    "base-image": Cause(
        "the base image is not the same in both builds",
        "pin FROM by its digest: IMAGE:TAG@sha256:...",
        "image-not-digest",
    ),
    "python-bytecode": Cause(
        "compiled Python code carries the time of its source, or depends on the order of a set",
        "do without it: `pip install --no-compile`, and PYTHONDONTWRITEBYTECODE=1 for what the build imports; "
        "or compile once more at the end: PYTHONHASHSEED=0 python -m compileall -f --invalidation-mode unchecked-hash",
    ),
    "pip-cache": Cause("pip's cache and its downloads", "PIP_NO_CACHE_DIR=1, or a cache mount on the RUN", "pip-cache"),
    "pip-log": Cause("a log of pip tells when it ran and in which temporary folders", f"do without --log, or {_CLEAN}"),
    "pip-record": Cause(
        "the record of an installed Python package lists files (with their hashes) that differ themselves",
        "remove the cause of the files it lists: mostly compiled bytecode",
    ),
    "apt-log": Cause(
        "a log of the package manager tells when it ran", f"{_CLEAN}: rm -rf /var/log/apt /var/log/dpkg.log"
    ),
    "apt-cache": Cause(
        "what the package manager fetched and indexed",
        f"{_CLEAN} (rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old), or a cache mount",
        "apt-lists-left",
    ),
    "rpm-log": Cause(
        "logs and history of dnf, yum or zypper", f"{_CLEAN}: rm -rf /var/log/dnf* /var/lib/dnf /var/cache/dnf"
    ),
    "package-cache": Cause("a cache that a tool keeps for itself", f"{_CLEAN}, or put it on a cache mount"),
    "log": Cause("a log file", _CLEAN),
    "dpkg-status": Cause(
        "dpkg's database is not the same",
        "pin the packages, and take them from a dated snapshot",
        "os-package-unpinned",
    ),
    "package-database": Cause(
        "the package manager's database records when packages were installed, or in what order",
        f"{_ARG}; rpm honours it from 4.18 on",
    ),
    "package-version": Cause(
        "a package was installed in another version",
        "pin its version, and take it from a dated snapshot or a lock file",
    ),
    "ldconfig-cache": Cause(
        "ldconfig's cache holds inode numbers and times of the machine that built it",
        "rm -f /var/cache/ldconfig/aux-cache at the end of the RUN that installs libraries",
    ),
    "shadow-date": Cause(
        "/etc/shadow keeps the day on which each account's password was last changed",
        f"{_ARG} that creates accounts: useradd then takes the day from it; or `chage -d 1 USER` after it",
    ),
    "password-salt": Cause(
        "a password was hashed with a salt made at random",
        "give useradd -p or chpasswd -e a hash made beforehand; or no password at all: in an image it is no secret",
    ),
    "machine-id": Cause("a machine identity made at random", "leave /etc/machine-id empty: `: > /etc/machine-id`"),
    "ssh-host-key": Cause(
        "an SSH key made at random during the build",
        "remove it in the same RUN and make it when the container starts; as part of an image it is no secret either",
    ),
    "git-metadata": Cause(
        "a git repository keeps times: of the files in its index, of what was done in its logs, of each commit",
        "rm -rf .git in the RUN that clones or commits; or ADD the repository by URL and commit: without "
        "--keep-git-dir it comes without .git",
    ),
    "pickled-data": Cause(
        "a pickle holds other values, or the same in the order of a set",
        "set the seed of what is pickled, PYTHONHASHSEED=0 for Python, and sort what comes from sets",
    ),
    "package-file": Cause(
        "a package holds the time and the machine of its own build",
        f"{_ARG}; rpmbuild with --define 'use_source_date_epoch_as_buildtime 1', "
        "--define 'clamp_mtime_to_source_date_epoch 1' and --define '_buildhost builder'",
    ),
    "generated-key": Cause(
        "a key or certificate made during the build", "make it when the container starts, or mount it"
    ),
    "random-name": Cause("a name made at random", "remove the temporary file in the same RUN, or give it a fixed name"),
    "conda-history": Cause(
        "conda writes down when it did what",
        "empty it in the same RUN, and do not remove it, since conda takes a folder without it for no environment: "
        "`: > $CONDA_PREFIX/conda-meta/history`",
    ),
    "build-path": Cause(
        "it holds the path of a temporary folder",
        "build in a fixed folder; for C and C++ -ffile-prefix-map=$PWD=., for Rust --remap-path-prefix",
        "build-host-leak",
    ),
    "compiler-output": Cause(
        "compiled code that is not built the same twice",
        "see first whether its sources are the same in both builds (generated code, link order); then compile with "
        "-frandom-seed and -ffile-prefix-map",
    ),
    "compile-time": Cause(
        "compiled code holds the time of its compilation (__DATE__, __TIME__) or of its source (__TIMESTAMP__)",
        f"{_ARG} that compiles: gcc and clang then use it for __DATE__ and __TIME__, and -Wdate-time finds them; "
        "for __TIMESTAMP__, `touch -d @$SOURCE_DATE_EPOCH` the source",
        "build-clock",
    ),
    "archive-header": Cause(
        "an archive whose members have other times, owners or order",
        f"{_ARG} that packs, and give fixed times and order: "
        "tar --sort=name --mtime=@$SOURCE_DATE_EPOCH --owner=0 --group=0; touch, then zip -X",
    ),
    "archive-content": Cause("an archive whose members differ", "see what differs inside, and mend that"),
    "gzip-header": Cause("gzip wrote down the time or the name of what it packed", "gzip -n"),
    "embedded-date": Cause(
        "a date or time of the build was written into it",
        f"{_ARG}, and write its date instead of the clock's: date -u -d @$SOURCE_DATE_EPOCH",
        "build-clock",
    ),
    "embedded-host": Cause(
        "the name of the building machine was written into it", "write a fixed name", "build-host-leak"
    ),
    "embedded-locale": Cause(
        "the locale or time zone of the building machine was written into it",
        "give the build a locale and a zone of its own: ENV LC_ALL=C.UTF-8 TZ=UTC",
    ),
    "umask": Cause(
        "its permissions follow the umask of the machine that built",
        "set them: COPY --chmod=, or chmod in a RUN",
    ),
    "embedded-uuid": Cause(
        "an identifier made at random was written into it",
        "make it from the input (a UUID of version 5), or write a fixed one",
        "build-clock",
    ),
    "random-number": Cause(
        "it holds numbers that come out otherwise every time: random ones, or checksums of what differs itself",
        "set the seed, and PYTHONHASHSEED=0 for Python; for a checksum, mend what it was taken of",
        "build-clock",
    ),
    "line-order": Cause(
        "the same lines in another order", "sort what a folder listing, a hash table or parallel jobs gave", None
    ),
    "unknown": Cause(
        "the cause is not known", "look at what the instruction does that depends on the day, the machine or chance"
    ),
}
