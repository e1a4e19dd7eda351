"""The Typer application: help, completion, errors, and every command but the plain `check`. Called by `main`."""

from __future__ import annotations

import enum
import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup
from typer.main import get_command

from repro_audit import __version__
from repro_audit.cli import ast, explain, fix, init, inputs, rules
from repro_audit.cli.check import check
from repro_audit.cli.completion import rule_names
from repro_audit.cli.main import COMMANDS
from repro_audit.cli.options import OPTIONS, CheckOptions, Option, split
from repro_audit.cli.problem import CannotError

_OWN = ("--help", "--version", "--install-completion", "--show-completion")
_INTERRUPTED = 130


class _Group(TyperGroup):
    """A group whose command `check` need not be named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0].partition("=")[0] not in _OWN:
            args = ["check", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """What may come first: a command, an option of the program, or one of `check`."""
        found: list[Any] = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            known = {item.value for item in found}
            found += [i for i in self.commands["check"].shell_complete(ctx, incomplete) if i.value not in known]
        return found


def run(argv: list[str]) -> int:
    """Run the application; gives the exit status, raises CannotError for bad usage."""
    command = get_command(application())
    try:
        status = command.main(args=argv, prog_name="repro-audit", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.Exit as end:
        status = end.exit_code
    except Exception as error:
        # Known by what it can do: which package the class lives in depends on the version of Typer.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        context = getattr(error, "ctx", None)
        named = f"repro-audit {argv[0]}" if argv and argv[0] in COMMANDS else "repro-audit"
        where = getattr(context, "command_path", named)
        text = message().rstrip(".").replace("Value error, ", "")
        raise CannotError(f"{text} (see `{where} --help`)") from None
    if status == _INTERRUPTED:
        raise KeyboardInterrupt  # newer versions of Typer make an exit of it
    return status if isinstance(status, int) else 0


def application() -> typer.Typer:
    """The application with all commands."""
    app = typer.Typer(
        cls=_Group,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
        help="Will this container image be the same when somebody rebuilds it next year, and will it see the GPU? "
        "`repro-audit PATH...` is `repro-audit check PATH...`; a path called like a command is written `./check`.",
    )
    app.callback(invoke_without_command=True)(_main)
    app.command("check")(_check_command())
    app.command("inputs")(inputs.command)
    app.command("fix")(fix.command)
    app.command("rules")(rules.command)
    app.command("explain")(explain.command)
    app.command("ast")(ast.command)
    app.command("init")(init.command)
    from repro_audit.cli import build, smoke, verify

    app.command("build")(build.command)
    app.command("verify")(verify.command)
    app.command("smoke")(smoke.command)
    return app


def _main(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Show the version.")] = False,
) -> None:
    if version:
        sys.stdout.write(f"repro-audit {__version__}\n")
        raise typer.Exit


def _check_command() -> Callable[..., int]:
    """The command `check`, its signature made from the table of options."""

    def command(**values: Any) -> int:
        fields: dict[str, Any] = {"paths": tuple(values.pop("paths", None) or ())}
        for option in OPTIONS:
            value = values.get(option.field)
            if option.kind == "names":
                value = split(value or ())
            elif option.kind == "texts":
                value = tuple(value or ())
            elif isinstance(value, enum.Enum):
                value = value.value
            fields[option.field] = value
        return check(CheckOptions(**fields))

    parameters = [inspect.Parameter("paths", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_PATHS)]
    parameters += [
        inspect.Parameter(
            option.field,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if option.kind == "flag" else None,
            annotation=_annotation(option),
        )
        for option in OPTIONS
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = (
        "Audit folders and files: the default command.\n\n"
        "Exit status: 0 nothing at or above --fail-on; 1 findings; 2 the program could not do its work."
    )
    return command


_PATHS: Any = Annotated[
    Optional[list[str]],  # noqa: UP045  (Typer reads it at run time)
    typer.Argument(help="Folders and files; `-` is standard input. Default: the current folder.", show_default=False),
]


def _annotation(option: Option) -> Any:
    kinds: dict[str, Any] = {"flag": bool, "text": str, "number": int, "names": list[str], "texts": list[str]}
    if option.kind == "choice":
        named: Any = enum.Enum
        kind = named(option.field, {choice: choice for choice in option.choices})
    else:
        kind = kinds[option.kind]
    settings: dict[str, Any] = {"help": option.help, "show_default": False}
    if option.metavar:
        settings["metavar"] = option.metavar
    if option.kind == "names":
        settings["autocompletion"] = rule_names
    if option.kind == "number":
        settings["min"] = 1
        settings["max"] = 9_999
    hint = kind if option.kind == "flag" else Optional[kind]  # noqa: UP045
    return Annotated[hint, typer.Option(*option.names, **settings)]
