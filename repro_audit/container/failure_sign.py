"""A sign of a kind of failed build: lines of a log. The signs are in `failure_sign_*`, by what they speak of."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Sign:
    """Lines that show a kind of failure. `summary` and `remedy` go before those of the kind, where the sign tells more.

    `by` says who must have said it: the `builder`, a `command` of the image, or `any`. `anywhere` holds for signs that
    count however much was said after them.
    """

    kind: str
    pattern: re.Pattern[str]
    summary: str = ""
    remedy: str = ""
    by: str = "any"
    anywhere: bool = False


def sign(
    kind: str, *patterns: str, summary: str = "", remedy: str = "", by: str = "any", anywhere: bool = False
) -> Sign:
    return Sign(kind, re.compile("|".join(patterns), re.IGNORECASE), summary, remedy, by, anywhere)
