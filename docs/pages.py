"""Write the pages of `docs/` that say what the code knows, or say with `--check` which are out of date, as CI does."""

from __future__ import annotations

import sys
from pathlib import Path

from repro_audit.container.failure_kind import KINDS
from repro_audit.rule_file import Example, RuleFile, read_rule_file
from repro_audit.smoke.outcome import EXIT, OUTCOMES
from repro_audit.verify.causes.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Write the pages, or compare them; 1 when one is not what the code says."""
    pages = {"rules.md": rules(), "causes.md": causes(), "failures.md": failures(), "outcomes.md": outcomes()}
    stale = []
    for name, text in pages.items():
        path = ROOT / "docs" / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `python docs/pages.py`\n")
    return 1 if stale else 0


def causes() -> str:
    """Why two builds differ: a table of the causes that `verify` names."""
    rows = [
        (f"`{name}`", cause.why, cause.remedy, f"[{cause.rule}](rules.md#{cause.rule})" if cause.rule else "")
        for name, cause in CATALOGUE.items()
    ]
    return (
        "# Why two builds differ\n\nMade by `docs/pages.py`. These are the causes that `repro-audit verify` names, in "
        "the `cause` of each difference.\n\n"
        + _table(("cause", "what happened", "what removes it", "foreseen by"), rows)
    )


def failures() -> str:
    """Why builds fail: a table of the kinds that `build` tells apart."""
    rows = [(f"`{name}`", summary, remedy) for name, (summary, remedy) in KINDS.items()]
    return (
        "# Why builds fail\n\nMade by `docs/pages.py`. `repro-audit build` ends a failed build with one of these, the "
        "line of the Dockerfile, and the lines of the log that show it; where they tell more, so does the remedy.\n\n"
        + _table(("kind", "what happened", "what to do"), rows)
    )


def outcomes() -> str:
    """What the smoke test can say: a table of outcomes with their exit status."""
    rows = [(f"`{name}`", means, str(EXIT[result])) for name, (result, means) in OUTCOMES.items()]
    return (
        "# What the smoke test can say\n\nMade by `docs/pages.py`. `repro-audit smoke` ends with one of these. "
        "Exit status 0: CUDA works; 1: the image fails; 2: it could not be tested.\n\n"
        + _table(("outcome", "what it means", "exit status"), rows)
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def rules() -> str:
    """The rule book: a table of the rules by family, then a section for each."""
    families: dict[str, list[RuleFile]] = {}
    for path in sorted(ROOT.glob("rules/*/*.yaml")):
        families.setdefault(path.parent.name, []).append(read_rule_file(str(path), path.parent.name))
    parts = [
        "# Rules\n\nMade from the files in `rules/` by `docs/pages.py`. `repro-audit explain ID` shows the same.\n"
    ]
    for family, files in families.items():
        parts.append(f"\n## {family}\n\n| rule | severity | what it finds | also known as |\n|---|---|---|---|\n")
        parts += [_row(file) for file in files]
    for files in families.values():
        parts += [_section(file) for file in files]
    return "".join(parts)


def _row(file: RuleFile) -> str:
    rule = file.rule
    known = ", ".join(dict.fromkeys(name for names in rule.aliases.values() for name in names))
    return f"| [{rule.id}](#{rule.id}) | {rule.severity} | {_cell(rule.summary)} | {_cell(known)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _section(file: RuleFile) -> str:
    rule = file.rule
    parts = [
        f"\n## {rule.id}\n\n{rule.summary} ({rule.severity}).\n\n{file.text.why}\n\n**What to do.** {file.text.fix}\n"
    ]
    for bad, title in ((True, "Found"), (False, "Not found")):
        example = next((e for e in file.examples if e.bad is bad), None)
        if example is not None:
            parts.append(f"\n{title}{_where(example)}:\n\n```\n{example.text.rstrip()}\n```\n")
    if rule.references:
        parts.append("\n" + "\n".join(f"<{reference}>" for reference in rule.references) + "\n")
    return "".join(parts)


def _where(example: Example) -> str:
    return "" if example.file == "Dockerfile" else f" in `{example.file}`"


if __name__ == "__main__":
    raise SystemExit(main())
