"""Write `docs/rules.md` from the rule book, or say with `--check` that it is out of date. Run by hand and by CI."""

from __future__ import annotations

import sys
from pathlib import Path

from repro_audit.rule_file import Example, RuleFile, read_rule_file

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "rules.md"


def main() -> int:
    """Write the page, or compare it; 1 when it is not what the rule book says."""
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("docs/rules.md is not what the rule book says: run `python docs/rule_pages.py`\n")
    return 1


def page() -> str:
    """The whole page: a table of the rules by family, then a section for each."""
    families: dict[str, list[RuleFile]] = {}
    for path in sorted(ROOT.glob("rules/*/*.yaml")):
        families.setdefault(path.parent.name, []).append(read_rule_file(str(path), path.parent.name))
    parts = [
        "# Rules\n\nMade from the files in `rules/` by `docs/rule_pages.py`. `repro-audit explain ID` shows the same.\n"
    ]
    for family, rules in families.items():
        parts.append(f"\n## {family}\n\n| rule | severity | what it finds | also known as |\n|---|---|---|---|\n")
        parts += [_row(rule) for rule in rules]
    for rules in families.values():
        parts += [_section(rule) for rule in rules]
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
