"""``rapidmask completion``: what makes a shell complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ._batch import say


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print what completes this command in a shell.

    \b
    Examples:
      eval "$(rapidmask completion bash)"    in ~/.bashrc
      eval "$(rapidmask completion zsh)"     in ~/.zshrc
      rapidmask completion fish > ~/.config/fish/completions/rapidmask.fish
    """
    from ._app import command as whole

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    say(kind(whole, {}, "rapidmask", "_RAPIDMASK_COMPLETE").source())
    return 0
