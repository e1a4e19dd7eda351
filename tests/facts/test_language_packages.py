from __future__ import annotations

import pytest

from repro_audit.facts import language_packages
from tests.facts.build import commands


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("npm install -g a @s/b@1.2.3 c@^1 d@latest",
         [("a", "floating"), ("@s/b", "immutable"), ("c", "ranged"), ("d", "floating")]),
        ("npm ci && npm install && yarn install && yarn && pnpm install", []),
        ("yarn global add a && pnpm add b@2.0.0 && npm i ./x", [("a", "floating"), ("b", "immutable"), ("./x", "local")]),
        ("gem install --no-document a -v 1.2 && gem install b:3.1.0 c",
         [("a", "immutable"), ("b", "immutable"), ("c", "floating")]),
        ("go install x.org/a@v1.2.3 && go install x.org/b@latest && go install ./...",
         [("x.org/a", "immutable"), ("x.org/b", "floating")]),
        ("cargo install a --version 1.2.3 --locked && cargo install b && cargo install --path .",
         [("a", "immutable"), ("b", "floating")]),
        ("composer require a/b:1.2.3 c/d", [("a/b", "perishable"), ("c/d", "floating")]),
        ("R -e \"install.packages(c('a', 'b'), repos='https://x.org')\"", [("a", "floating"), ("b", "floating")]),
        ("Rscript -e \"install.packages('a', repos='https://x.org/cran/2024-01-02')\"", [("a", "immutable")]),
        ("install2.r --error -n 4 a b", [("a", "floating"), ("b", "floating")]),
        ("julia -e 'using Pkg; Pkg.add(\"A\"); Pkg.add(name=\"B\", version=\"1.2.3\")'",
         [("A", "floating"), ("B", "immutable")]),
    ],
)  # fmt: skip
def test_packages_of_other_languages_are_told_with_their_pins(script: str, expected: list[tuple[str, str]]) -> None:
    found = [p for command in commands(script) for p in language_packages.packages(command)]
    assert [(p.name, str(p.pin.level)) for p in found] == expected
