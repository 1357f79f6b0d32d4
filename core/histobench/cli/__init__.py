"""The ``histobench`` command line: thin commands over the library.

This package and the plugins' ``catalogue.py`` are the only places where imports stand inside functions, so that
``histobench --help`` and ``list`` answer at once.
"""

import io
import os
import sys
from collections.abc import Sequence

import click

from histobench.cli import (
    analyse,
    cache,
    compare,
    data,
    embed,
    export,
    generate,
    inspect,
    pretrain,
    reproduce,
    results,
    run,
    services,
    weights,
)
from histobench.cli.output import Output
from histobench.contracts.registry import Registry
from histobench.errors import HistobenchError

__all__ = ["cli", "main"]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells count it."""

MISTAKE = 2
"""Exit code of a mistake of the user's."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="histobench")
@click.option("--quiet", "-q", is_flag=True, help="Print results and errors only.")
@click.option("--verbose", "-v", is_flag=True, help="Print every epoch and every note.")
@click.pass_context
def cli(context: click.Context, quiet: bool, verbose: bool) -> None:
    """Benchmark methods that predict cell types and gene expression from H&E images."""
    context.obj.output = Output(quiet=quiet, verbose=verbose)


for command in (
    run.run,
    run.plan,
    inspect.list_group,
    inspect.show,
    data.data,
    embed.embed,
    pretrain.pretrain,
    cache.cache,
    results.results,
    results.score,
    compare.compare,
    analyse.analyse,
    generate.generate,
    export.export,
    reproduce.reproduce,
    services.doctor,
    services.mlflow,
    weights.weights,
):
    cli.add_command(command)


class App:
    """What every command is given: the installed plugins, and where to print."""

    def __init__(self) -> None:
        self.registry = Registry.load()
        self.output = Output()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error raised on purpose becomes one sentence and exit code 2."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a benchmark of patients' slides calls nobody
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin while they wait starve their neighbours
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # the name of a file may be any bytes
    app = App()
    try:
        app.registry.add_commands(cli)
        code = cli.main(args=arguments, standalone_mode=False, obj=app, prog_name="histobench")
    except HistobenchError as error:
        app.output.error(str(error))
        sys.exit(MISTAKE)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code or MISTAKE)
    except (KeyboardInterrupt, click.Abort):
        app.output.error("stopped; nothing is lost, the same command goes on where it was.")
        sys.exit(INTERRUPTED)
    except MemoryError as error:
        app.output.error(f"the memory of this machine does not do: {error or 'none is left'}; ask for less at once.")
        sys.exit(MISTAKE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.filename is None:  # not about a file that was named: a fault of ours
            raise
        app.output.error(f"{error.strerror or 'cannot be used'}: {str(error.filename)!r}.")
        sys.exit(MISTAKE)
    sys.exit(code if isinstance(code, int) else 0)
