"""The ``histobench`` command line: thin commands over the library.

Commands import what they need when they run, so that ``histobench --help`` and ``list`` are fast. Elsewhere, only the
plugins' ``catalogue.py`` may import inside functions.
"""

import io
import os
import sys
from collections.abc import Sequence

import click

from histobench.cli.output import Output
from histobench.contracts.lazy import Lazy, lazy_value
from histobench.contracts.registry import Registry
from histobench.errors import HistobenchError

__all__ = ["cli", "main"]

INTERRUPTED = 130
"""Exit code after Ctrl-C, by the convention of shells."""

MISTAKE = 2
"""Exit code for a user's mistake."""

_COMMANDS = {
    "analyse": "analyse:analyse",
    "cache": "cache:cache",
    "compare": "compare:compare",
    "data": "data:data",
    "doctor": "services:doctor",
    "embed": "embed:embed",
    "export": "export:export",
    "generate": "generate:generate",
    "list": "inspect:list_group",
    "mlflow": "services:mlflow",
    "plan": "run:plan",
    "pretrain": "pretrain:pretrain",
    "reproduce": "reproduce:reproduce",
    "results": "results:results",
    "run": "run:run",
    "score": "results:score",
    "show": "inspect:show",
    "weights": "weights:weights",
}


class _Commands(click.Group):
    """A group whose commands are imported when they are used; it asks plugins for commands only where it must."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, those of plugins included."""
        _add_plugins_commands(ctx)
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or return ``None`` if there is none of this name."""
        if cmd_name not in self.commands:
            _add_plugins_commands(ctx)
        command = super().get_command(ctx, cmd_name)
        return command() if isinstance(command, Lazy) else command


def _add_plugins_commands(context: click.Context) -> None:
    if context.obj is not None:
        context.obj.add_commands()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="histobench")
@click.option("--quiet", "-q", is_flag=True, help="Print results and errors only.")
@click.option("--verbose", "-v", is_flag=True, help="Also print every epoch and every note.")
@click.pass_context
def cli(context: click.Context, quiet: bool, verbose: bool) -> None:
    """Benchmark methods that predict cell types and gene expression from H&E images."""
    context.obj.output = Output(quiet=quiet, verbose=verbose)


for _name, _place in _COMMANDS.items():
    cli.commands[_name] = lazy_value(f"histobench.cli.{_place}")  # type: ignore[assignment]  # imported when used


class App:
    """What every command receives: the installed plugins and where to print."""

    def __init__(self) -> None:
        self._registry = Registry.find()
        self._has_commands = False
        self.output = Output()

    @property
    def registry(self) -> Registry:
        """The installed plugins with all of their cards and commands."""
        self.add_commands()
        return self._registry.collect()

    def read_cards(self, kind: str) -> Registry:
        """Return the registry after reading the cards of one kind only, which is faster."""
        return self._registry.collect(kind)

    def add_commands(self) -> None:
        """Add the commands of plugins to the command line, once."""
        if not self._has_commands:
            self._has_commands = True
            self._registry.add_commands(cli)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error that histobench raises on purpose is printed as one sentence, with exit code 2."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # patients' slides: report nothing to anyone
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin while they wait slow others down
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # the name of a file may be any bytes
    app = App()
    try:
        code = cli.main(args=arguments, standalone_mode=False, obj=app, prog_name="histobench")
    except HistobenchError as error:
        app.output.error(str(error))
        sys.exit(MISTAKE)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code or MISTAKE)
    except (KeyboardInterrupt, click.Abort):
        app.output.error("stopped; nothing is lost. Run the same command again to resume.")
        sys.exit(INTERRUPTED)
    except MemoryError as error:
        app.output.error(f"out of memory{f': {error}' if str(error) else ''}; use a smaller batch or fewer workers.")
        sys.exit(MISTAKE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.filename is None:  # not about a named file: a bug of ours
            raise
        app.output.error(f"{error.strerror or 'cannot use this file'}: {str(error.filename)!r}.")
        sys.exit(MISTAKE)
    sys.exit(code if isinstance(code, int) else 0)
