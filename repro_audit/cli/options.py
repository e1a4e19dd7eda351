"""The options of `check`, declared once: Typer's command and the quick reader of argv are both made from this table.

Loading Typer takes as long as auditing several files, so `main` lets `read` understand a plain, well-formed command
line and hands everything else (help, mistakes, other commands, completion) to Typer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from repro_audit.record import dataclass
from repro_audit.report import FORMATS

BASELINE = ".repro-audit-baseline.json"
COLORS = ("auto", "always", "never")
THRESHOLDS = ("error", "warning", "info", "never")
PROFILES = ("default", "strict")


class Option(NamedTuple):
    """One option. `kind` tells what follows it: nothing, a text, one of `choices`, a whole number, names with commas
    between them, or a text each time it is given.
    """

    field: str
    names: tuple[str, ...]
    kind: Literal["flag", "text", "choice", "number", "names", "texts"]
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Request:
    """What is to be audited, and how; None and empty where configuration or the default counts."""

    paths: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    profile: str | None = None
    fail_on: str | None = None
    config: str | None = None
    no_config: bool = False
    stdin_filename: str | None = None
    jobs: int | None = None


@dataclass(slots=True, frozen=True)
class CheckOptions(Request):
    """What the command line of `check` says: the request, and what becomes of the result."""

    format: str | None = None
    output: str | None = None
    report: tuple[str, ...] = ()
    fix: bool = False
    baseline: str | None = None
    write_baseline: str | None = None
    record: str | None = None
    quiet: bool = False
    color: str | None = None


OPTIONS: tuple[Option, ...] = (
    Option(
        "format", ("--format",), "choice", f"How to report: {', '.join(FORMATS)} (default: text).", "FORMAT", FORMATS
    ),
    Option("output", ("--output", "-o"), "text", "Write the report to this file.", "FILE"),
    Option("report", ("--report",), "texts", "Write a report in another format, too.", "FORMAT=FILE"),
    Option("select", ("--select",), "names", "Run only these rules: ids, families, aliases or globs.", "IDS"),
    Option("ignore", ("--ignore",), "names", "Leave these rules out.", "IDS"),
    Option("extend_select", ("--extend-select",), "names", "Run these rules too.", "IDS"),
    Option("profile", ("--profile",), "choice", "`strict` runs every rule, and warnings fail too.", choices=PROFILES),
    Option(
        "fail_on",
        ("--fail-on",),
        "choice",
        f"The severity from which findings fail the run: {', '.join(THRESHOLDS)}.",
        "SEVERITY",
        THRESHOLDS,
    ),
    Option("config", ("--config",), "text", "Use this configuration file.", "FILE"),
    Option("no_config", ("--no-config",), "flag", "Use no configuration file."),
    Option("stdin_filename", ("--stdin-filename",), "text", "What standard input (`-`) is to be taken for.", "NAME"),
    Option("fix", ("--fix",), "flag", "Apply the safe fixes, and report what is left."),
    Option("baseline", ("--baseline",), "text", "Report only what is not in this file.", "FILE"),
    Option(
        "write_baseline",
        ("--write-baseline",),
        "text",
        f"Write what is found to a baseline (default: {BASELINE}; another name ends in .json).",
        "[FILE]",
    ),
    Option("record", ("--record",), "text", "Show the level that this result of `verify` proves.", "FILE"),
    Option("jobs", ("--jobs", "-j"), "number", "How many processes to use.", "N"),
    Option("quiet", ("--quiet", "-q"), "flag", "Print nothing but findings, and nothing when there are none."),
    Option("color", ("--color",), "choice", "Colours: on a terminal, always or never.", choices=COLORS),
)

_BY_NAME: Mapping[str, Option] = {name: option for option in OPTIONS for name in option.names}
_NAMES = frozenset(option.field for option in OPTIONS if option.kind == "names")


def explicit(argv: Sequence[str]) -> list[str]:
    """The arguments with the optional value of `--write-baseline` made explicit, which no option parser can guess."""
    out: list[str] = []
    at = 0
    while at < len(argv):
        arg = argv[at]
        at += 1
        if arg == "--":
            return [*out, arg, *argv[at:]]
        if arg == "--write-baseline":
            named = at < len(argv) and argv[at].endswith(".json")
            arg = f"{arg}={argv[at] if named else BASELINE}"
            at += named
        elif arg in _BY_NAME and _BY_NAME[arg].kind != "flag" and at < len(argv):
            out.append(arg)
            arg = argv[at]  # a value, whatever it looks like
            at += 1
        out.append(arg)
    return out


def read(argv: Sequence[str]) -> CheckOptions | None:
    """The options of a well-formed command line of `check`; None for anything that needs a second look."""
    values: dict[str, object] = {}
    several: dict[str, list[str]] = {}
    paths: list[str] = []
    at = 0
    while at < len(argv):
        arg = argv[at]
        at += 1
        if arg == "--":
            paths += argv[at:]
            break
        if arg == "-" or not arg.startswith("-"):
            paths.append(arg)
            continue
        name, equals, value = arg.partition("=") if arg.startswith("--") else (arg, "", "")
        option = _BY_NAME.get(name)
        if option is None or (option.kind == "flag" and equals):
            return None
        if option.kind == "flag":
            values[option.field] = True
            continue
        if not equals:
            if at >= len(argv):
                return None
            value = argv[at]
            at += 1
        if not value or (value.startswith("-") and value != "-" and not equals):
            return None
        if option.kind == "choice" and value not in option.choices:
            return None
        if option.kind in ("names", "texts"):
            several.setdefault(option.field, []).append(value)
        elif option.kind == "number":
            if not (value.isascii() and value.isdecimal() and 0 < int(value) < 10_000):
                return None
            values[option.field] = int(value)
        else:
            values[option.field] = value
    for field, found in several.items():
        values[field] = split(found) if field in _NAMES else tuple(found)
    return CheckOptions(paths=tuple(paths), **values)  # type: ignore[arg-type]


def split(values: Sequence[str]) -> tuple[str, ...]:
    """The names in `a,b` and repeated options."""
    return tuple(name for value in values for part in value.split(",") if (name := part.strip()))
