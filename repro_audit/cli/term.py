"""The words that reports answer with, beside rules: causes of `verify`, kinds of failure of `build`, outcomes of
`smoke`. Called by `explain`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Term:
    """A word, what it says, what kind of word it is, what to do about it, and the rule that foresees it."""

    name: str
    means: str
    what: str
    remedy: str = ""
    rule: str | None = None


def terms() -> list[Term]:
    """All of them; one name may stand for two."""
    from repro_audit.container.failure_kind import KINDS
    from repro_audit.smoke.outcome import EXIT, OUTCOMES
    from repro_audit.verify.causes.catalogue import CATALOGUE

    found = [
        Term(name, each.why, "A cause that `repro-audit verify` gives for a difference.", each.remedy, each.rule)
        for name, each in CATALOGUE.items()
    ]
    found += [
        Term(name, summary, "A kind of failure that ends `repro-audit build`.", remedy)
        for name, (summary, remedy) in KINDS.items()
    ]
    for name, (result, means) in OUTCOMES.items():
        verdict = {"works": "the image works", "fails": "the image fails", "untested": "it could not be tested"}[result]
        what = f"An outcome of `repro-audit smoke`, with exit status {EXIT[result]}: {verdict}."
        found.append(Term(name, means, what if result == "works" else f"{what} Its report says what to do."))
    return found
