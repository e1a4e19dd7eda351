"""The causes that `verify` names, and the rules that foresee them."""

from __future__ import annotations

import pytest

from repro_audit import rulebook
from repro_audit.verify.causes.catalogue import CATALOGUE

NAMED = {name: cause.rule for name, cause in CATALOGUE.items() if cause.rule is not None}


@pytest.mark.parametrize("cause", NAMED)
def test_the_rule_that_a_cause_names_is_in_the_rule_book(cause: str) -> None:
    assert NAMED[cause] in rulebook.load().rules
