"""`skate`: finds the verb's module, runs it, and turns every error into words and an exit code.

Nothing is imported before it is known to be needed: `skate get` must not pay for the sandbox's imports. No traceback reaches
the user: what is not a SkateError is a bug, and is reported as one in a single line (SKATE_DEBUG=1 shows the rest).
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from skate import __version__, terminal
from skate.errors import NotFoundError, SkateError

VERBS = {
    "apply": "skate.cli.apply:apply",
    "config": "skate.cli.config:config",
    "create": "skate.cli.create:create",
    "delete": "skate.cli.delete:delete",
    "describe": "skate.cli.describe:describe",
    "get": "skate.cli.get:get",
    "refresh": "skate.cli.refresh:refresh",
    "sandbox": "skate.cli.sandbox:sandbox",
    "secret": "skate.cli.secret:secret",
    "version": "skate.cli.version:version",
}
"""Every verb, and the module and function that does it."""


@dataclass(frozen=True, kw_only=True)
class Globals:
    """The flags that stand before the verb; a verb gets them by `@click.pass_obj`."""

    registry_path: Path
    context: str


class Verbs(click.Group):
    """A group that imports a verb's module when the verb is called, or its help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = VERBS.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but with a did-you-mean, as kubectl has one."""
        close = difflib.get_close_matches(args[0], VERBS, n=1)
        if close and args[0] not in VERBS:
            ctx.fail(f'unknown command "{args[0]}" for "skate"; did you mean "{close[0]}"?')
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="skate")
@click.option(
    "--skateconfig", type=click.Path(path_type=Path), help="The registry to use (default ~/.skate/config.yaml)."
)
@click.option("--context", default="", metavar="NAME", help="The cluster to work on, instead of the current one.")
@click.pass_context
def skate(ctx: click.Context, skateconfig: Path | None, context: str) -> None:
    """Kubernetes manifests on a few plain Ubuntu hosts, with nothing running that need not run."""
    from skate import registry

    ctx.obj = Globals(registry_path=skateconfig or registry.default_path(), context=context)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 all is well, 1 it is not, 2 the command line itself is wrong."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        result = skate.main(args=arguments, prog_name="skate", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        terminal.say("interrupted", err=True)
        return 130
    except NotFoundError as error:
        for missing in error.missing:
            terminal.say(f"Error from server (NotFound): {missing}", err=True)
        if error.hint:
            terminal.say(f"hint: {error.hint}", err=True)
        return error.exit_code
    except SkateError as error:
        _show(error)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (`skate get pods | head -1`): not an error, and not to be reported at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("SKATE_DEBUG"):
            raise
        terminal.say(f"error: unexpected {type(error).__name__}: {error}", err=True)
        terminal.say("hint: this is a bug in skate; SKATE_DEBUG=1 shows where, please report it", err=True)
        return 1


def _show(error: SkateError) -> None:
    terminal.say(f"error: {error.message}", err=True)
    for detail in error.details:
        terminal.say(f"  {detail}", err=True)
    if error.hint:
        terminal.say(f"hint: {error.hint}", err=True)
