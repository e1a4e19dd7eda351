"""What pip, uv, poetry, conda and the others install by command, and from which files."""

from __future__ import annotations

import pytest

from repro_audit.facts import python_install
from repro_audit.facts.pin import Level
from repro_audit.facts.python_install import Install
from repro_audit.facts.python_options import _PIP_VALUED
from tests.facts.build import commands, written


def read(script: str, **variables: str | None) -> Install:
    (command,) = commands(script, variables=variables)
    install = python_install.install(command)
    assert install is not None
    return install


def names(install: Install) -> list[str]:
    return [p.name for p in install.packages]


def test_named_packages_stand_exactly_where_they_are_written() -> None:
    install = read("""pip install -U "numpy>=1.2" 'torch == 2.0' \\\n  requests[socks]~=2.0""")
    assert [(p.name, p.specifier, p.pin.level) for p in install.packages] == [
        ("numpy", ">=1.2", Level.RANGED),
        ("torch", "==2.0", Level.IMMUTABLE),
        ("requests", "~=2.0", Level.RANGED),
    ]
    places = [(written(install.command, p.span), written(install.command, p.spec_span)) for p in install.packages]
    assert places == [("numpy>=1.2", ">=1.2"), ("torch == 2.0", "== 2.0"), ("requests[socks]~=2.0", "~=2.0")]
    assert install.upgrade


def test_an_unquoted_comparison_is_seen_as_the_redirection_that_it_is() -> None:
    install = read("pip install numpy>=1.2 torch pandas<2 >log.txt")
    assert [(name, written(install.command, span)) for name, span in install.redirected] == [
        ("numpy", "numpy>=1.2"),
        ("pandas", "pandas<2"),
    ]
    assert not read("pip install numpy >log.txt 2>&1").redirected
    assert not read("pip install numpy>log.txt").redirected


def test_variables_are_filled_in_and_unknown_ones_said_to_be_unknown() -> None:
    install = read("pip install torch==$V numpy==${W} $LIST $X", V="2.1.0", LIST="one two==2", X=None)
    assert [(p.name, p.specifier, p.pin.level) for p in install.packages] == [
        ("torch", "==2.1.0", Level.IMMUTABLE),
        ("numpy", "==${W}", Level.PERISHABLE),
        ("one", "", Level.FLOATING),
        ("two", "==2", Level.IMMUTABLE),
        ("$X", "", Level.FLOATING),
    ]
    assert "value unknown" in install.packages[1].pin.reason
    assert install.packages[4].pin.reason == "value unknown"
    assert written(install.command, install.packages[0].span) == "torch==$V"


def test_files_projects_and_indexes_are_told_apart_from_packages() -> None:
    install = read(
        "python3 -m pip install --no-cache-dir -qr a.txt --requirement=b.txt -c c.txt -e .[dev] ./lib "
        "--extra-index-url https://x/y -f https://z --index-url https://w --target /t --timeout 60 numpy ./a-1.0-py3-none-any.whl"
    )
    assert [path for path, _ in install.requirement_files] == ["a.txt", "b.txt"]
    assert [written(install.command, span) for _, span in install.requirement_files] == ["a.txt", "b.txt"]
    assert [path for path, _ in install.constraint_files] == ["c.txt"]
    assert [path for path, _ in install.projects] == [".", "./lib"]
    assert install.index_url is not None
    assert (install.index_url.text, [v.text for v in install.extra_index_urls]) == ("https://w", ["https://x/y"])
    assert [v.text for v in install.find_links] == ["https://z"]
    assert [(p.name, p.pin.level) for p in install.packages] == [("numpy", Level.FLOATING), ("a", Level.LOCAL)]
    assert "--no-cache-dir" in install.flags


@pytest.mark.parametrize(
    ("script", "tool", "action", "packages"),
    [
        ("pip3.10 install a", "pip", "install", ["a"]),
        ("/opt/venv/bin/pip --no-cache-dir install a", "pip", "install", ["a"]),
        ("python -I -W ignore -m pip --timeout 5 install a", "pip", "install", ["a"]),
        ("uv pip install --system -p 3.12 a", "uv", "pip install", ["a"]),
        ("uv tool install ruff@0.4.1", "uv", "tool install", ["ruff"]),
        ("uv add --group dev a", "uv", "add", ["a"]),
        ("uvx --with b ruff check .", "uvx", "run", ["b", "ruff"]),
        ("poetry add --group dev foo@^1.0", "poetry", "add", ["foo"]),
        ("pipx install black", "pipx", "install", ["black"]),
        ("easy_install -i https://x foo", "easy_install", "install", ["foo"]),
        ("pdm add -G test a", "pdm", "add", ["a"]),
        ("pipenv install --python 3.10 a", "pipenv", "install", ["a"]),
        ("conda install -y -n base -c conda-forge a b=1.2", "conda", "install", ["a", "b"]),
        ("mamba create -n e --channel x -y a", "mamba", "create", ["a"]),
        ("conda env update -n base -f e.yml", "conda", "env update", []),
        ("micromamba install -y -n base -f e.yml -c pytorch c", "micromamba", "install", ["c"]),
    ],
)
def test_each_tools_options_are_known(script: str, tool: str, action: str, packages: list[str]) -> None:
    install = read(script)
    assert (install.tool, install.action, names(install)) == (tool, action, packages)
    assert not install.errors


@pytest.mark.parametrize(
    "script", ["pip uninstall a", "pip freeze", "python x.py", "python -c pip", "conda list", "uv venv", "ls pip"]
)
def test_other_commands_install_nothing(script: str) -> None:
    assert all(python_install.install(command) is None for command in commands(script))


def test_a_project_is_installed_from_its_manifest_or_lock() -> None:
    assert read("uv sync --frozen --no-dev").manifest
    assert read("uv sync --locked").frozen
    assert not read("poetry install --no-root").frozen
    assert read("pipenv install --deploy --system").frozen
    assert not read("pipenv install requests").manifest


def test_conda_packages_have_their_place_on_the_ladder() -> None:
    install = read("conda install python=3.10 numpy==1.26.4 'scipy>=1' zlib=1.2.13=h1 tqdm torch=$V conda-forge::x")
    assert [(p.name, p.pin.level) for p in install.packages] == [
        ("python", Level.RANGED),
        ("numpy", Level.PERISHABLE),
        ("scipy", Level.RANGED),
        ("zlib", Level.IMMUTABLE),
        ("tqdm", Level.FLOATING),
        ("torch", Level.PERISHABLE),
        ("x", Level.FLOATING),
    ]
    assert [path for path, _ in read("conda env create --file=a.yml").environment_files] == ["a.yml"]


def test_upgrading_the_installers_themselves_is_told() -> None:
    assert read("pip install --upgrade pip setuptools wheel").installs_self == ("pip", "setuptools", "wheel")
    assert read("pip install numpy").installs_self == ()


def test_every_option_of_pip_with_a_value_is_known() -> None:
    create_command = pytest.importorskip("pip._internal.commands").create_command
    for action in ("install", "download", "wheel"):
        parser = create_command(action).parser
        for group in (parser, *parser.option_groups):
            for option in group.option_list:
                for spelling in (*option._short_opts, *option._long_opts):
                    assert (spelling in _PIP_VALUED) == option.takes_value(), spelling
