"""How firmly requirements, manifests, locks and environments hold their packages."""

from __future__ import annotations

import pytest

from repro_audit.facts import python_packages
from repro_audit.facts.input import Package
from repro_audit.facts.pin import Level
from repro_audit.source import Source
from repro_audit.syntax import conda, lockfile, pyproject, requirements

SHA = "0123456789abcdef0123456789abcdef01234567"


def required(text: str, via: str = "requirements") -> tuple[Package, ...]:
    return python_packages.from_requirements(requirements.parse(Source("requirements.txt", text)), via=via)


@pytest.mark.parametrize(
    ("line", "level", "reason"),
    [
        ("numpy", Level.FLOATING, "no version"),
        ("numpy>=1.26", Level.RANGED, "range"),
        ("numpy~=1.26", Level.RANGED, "range"),
        ("numpy==1.*", Level.RANGED, "wildcard"),
        ("numpy==1.26.4", Level.IMMUTABLE, "exact"),
        ("numpy===1.26.4", Level.IMMUTABLE, "exact"),
        (f"numpy==1.26.4 --hash=sha256:{'a' * 64}", Level.HASHED, "hashes"),
        ("torch==2.0.1+cu118", Level.PERISHABLE, "+cu118"),
        ("torch==${V}", Level.PERISHABLE, "value unknown"),
        ("x @ git+https://h/x.git", Level.FLOATING, "default branch"),
        ("git+https://user@h/x.git#egg=x", Level.FLOATING, "default branch"),
        ("x @ git+https://h/x.git@main", Level.FLOATING, "`main` is a branch"),
        ("x @ git+https://h/x.git@v1.2.0", Level.PERISHABLE, "tag `v1.2.0`"),
        ("x @ git+ssh://git@h/x.git@0123abc", Level.IMMUTABLE, "shortened"),
        (f"git+https://h/x.git@{SHA}#egg=x", Level.HASHED, "commit"),
        ("https://h/x-1.0-py3-none-any.whl", Level.PERISHABLE, "without a checksum"),
        (f"https://h/x-1.0-py3-none-any.whl#sha256={'a' * 64}", Level.HASHED, "checksum"),
        ("https://h/latest/x.zip", Level.FLOATING, "`latest`"),
        ("./x", Level.LOCAL, "local"),
        ("-e .", Level.LOCAL, "local"),
    ],
)
def test_a_requirement_has_its_rung_of_the_ladder_and_says_why(line: str, level: Level, reason: str) -> None:
    (package,) = required(line)
    assert package.pin.level == level
    assert reason in package.pin.reason


def test_a_manifest_takes_the_level_of_the_lock_that_covers_it() -> None:
    text = '[project]\ndependencies = ["NumPy>=1", "mine", "gone"]\n[build-system]\nrequires = ["numpy>=2"]\n'
    packages = python_packages.from_pyproject(pyproject.parse(Source("pyproject.toml", text)))
    lock = lockfile.parse(
        Source(
            "a/uv.lock",
            'version = 1\n\n[[package]]\nname = "numpy"\nversion = "1.26.4"\nsource = { registry = "https://pypi.org/simple" }\n'
            'sdist = { url = "https://h/n.tar.gz", hash = "sha256:ab", size = 1 }\n\n'
            '[[package]]\nname = "mine"\nversion = "0.1"\nsource = { editable = "." }\n',
        ),
        "uv",
    )
    numpy, mine, gone, build = python_packages.with_lock(packages, lock)
    assert (numpy.pin.level, numpy.version, numpy.locked) == (Level.HASHED, "1.26.4", "a/uv.lock")
    assert mine.pin.level == Level.LOCAL
    assert (gone.pin.level, gone.locked) == (Level.FLOATING, None)
    assert (build.via, build.pin.level, build.locked) == ("build-system", Level.RANGED, None)
    assert [(p.name, p.via) for p in python_packages.from_lock(lock)] == [("numpy", "lock"), ("mine", "lock")]


def test_constraints_hold_what_they_name_and_nothing_else() -> None:
    constraints = required("numpy==1.26.4\ntorch<3\nscipy==1.0\n", via="constraints")
    assert {c.via for c in constraints} == {"constraints"}
    numpy, torch, scipy, other = python_packages.with_constraints(
        required("numpy\ntorch==2.1\nscipy>=1\nother\n"), constraints
    )
    assert (numpy.pin.level, numpy.version) == (Level.IMMUTABLE, "1.26.4")
    assert "constraints" in numpy.pin.reason
    assert (torch.version, torch.pin.reason) == ("2.1", "exact version")
    assert (scipy.pin.level, other.pin.level) == (Level.IMMUTABLE, Level.FLOATING)


def test_poetry_and_pipenv_constraints_are_judged_by_their_own_rules() -> None:
    poetry = pyproject.parse(
        Source(
            "pyproject.toml",
            "[tool.poetry.dependencies]\npython = '^3.9'\na = '^1.2'\nb = '1.2.3'\nc = '*'\nd = {git = 'https://h/d', tag = 'v1'}\n"
            f"e = {{git = 'https://h/e', rev = '{SHA}'}}\nf = {{path = '../f'}}\n",
        )
    )
    levels = {p.name: p.pin.level for p in python_packages.from_pyproject(poetry)}
    assert levels == {
        "a": Level.RANGED,
        "b": Level.IMMUTABLE,
        "c": Level.FLOATING,
        "d": Level.PERISHABLE,
        "e": Level.HASHED,
        "f": Level.LOCAL,
    }
    pipfile = pyproject.parse_pipfile(Source("Pipfile", '[packages]\na = "*"\nb = "==1.0"\nc = "~=1.0"\n'))
    packages = python_packages.from_pyproject(pipfile, via="pipfile")
    assert [(p.name, p.via, p.pin.level) for p in packages] == [
        ("a", "pipfile", Level.FLOATING),
        ("b", "pipfile", Level.IMMUTABLE),
        ("c", "pipfile", Level.RANGED),
    ]


def test_uv_sources_decide_where_a_package_comes_from() -> None:
    text = '[project]\ndependencies = ["a", "b>=1"]\n[tool.uv.sources]\na = {git = "https://h/a", branch = "main"}\nb = {workspace = true}\n'
    a, b = python_packages.from_pyproject(pyproject.parse(Source("pyproject.toml", text)))
    assert (a.url, a.pin.level) == ("git+https://h/a@main", Level.FLOATING)
    assert b.pin.level == Level.LOCAL


def test_a_conda_environment_gives_conda_and_pip_packages() -> None:
    text = "dependencies:\n- python=3.10\n- numpy==1.26.4\n- zlib=1.2.13=h1_0\n- tqdm\n- pip:\n  - torch==2.1.0\n  - requests\n"
    packages = python_packages.from_conda(conda.parse(Source("environment.yml", text)))
    assert [(p.ecosystem, p.name, p.version, p.pin.level) for p in packages] == [
        ("conda", "python", None, Level.RANGED),
        ("conda", "numpy", "1.26.4", Level.PERISHABLE),
        ("conda", "zlib", "1.2.13", Level.IMMUTABLE),
        ("conda", "tqdm", None, Level.FLOATING),
        ("pip", "torch", "2.1.0", Level.IMMUTABLE),
        ("pip", "requests", None, Level.FLOATING),
    ]
    assert text[slice(*packages[4].spec_span)] == "==2.1.0"
