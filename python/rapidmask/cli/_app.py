"""The command's table of contents, and what its exit status is."""

from __future__ import annotations

import importlib
import signal
import threading
import warnings
from typing import Any, NoReturn

import click

from .. import __version__
from ._batch import complain

_COMMANDS = (
    "segment", "label", "generate", "convert", "overlay", "review", "evaluate", "info", "bench", "completion",
)  # fmt: skip
_ENDS = {getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")}  # of a job, and of its terminal


class _Commands(click.Group):
    """Imports a command when it is asked for, and lists all in the order of a pipeline."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        found: click.Command = importlib.import_module(f".{cmd_name}", __package__).command
        return found


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `rapidmask segment`, which draws a picture to try. `rapidmask COMMAND --help` has examples.",
)
@click.version_option(__version__, prog_name="rapidmask", message="%(prog)s %(version)s")
def command() -> None:
    """Find masks in pictures, and measure, convert, show and review masks."""


def run(arguments: list[str]) -> int:
    """Run the command, and return its exit status."""
    before: dict[Any, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in signal.valid_signals():
            if number in _ENDS and signal.getsignal(number) not in (None, signal.SIG_IGN):  # nohup ignores SIGHUP
                before[number] = signal.signal(number, _terminate)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is told in a sentence
            status = command.main(args=arguments, prog_name="rapidmask", standalone_mode=False)
        return int(status or 0)
    except click.Abort:  # interrupted
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (ImportError, OSError, ValueError, TypeError, RuntimeError, MemoryError, OverflowError) as error:
        return complain(error)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(number: int, frame: object) -> NoReturn:
    """End as for an interruption: with whole files."""
    raise SystemExit(128 + number)
