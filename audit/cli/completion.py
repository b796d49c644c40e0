"""The command `completion`."""

from typing import Any

import click
from click.shell_completion import ShellComplete, get_completion_class

from audit.cli import options
from audit.cli.command import Command
from audit.cli.results import print_result

_VARIABLE = "_WEBEX_AUDIT_COMPLETE"
#: What the scripts of click lack for `--option=value`: bash hands over three words and takes the value alone, zsh and
#: fish hand over a word and take a word.
_VALUE_OF_OPTION = {
    "bash": {
        "    response=$(env COMP_WORDS=": """\
    local words="${COMP_WORDS[*]:0:COMP_CWORD+1}"
    words=${words//$'\\n=\\n'/=}
    words=${words//$'\\n='/=}
    local ends=${words//[!$'\\n']/}

    response=$(env COMP_WORDS=""",
        '"${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD': '"$words" COMP_CWORD=${#ends}',
    },
    "zsh": {
        "    for type key descr": "    [[ $PREFIX == --*=* ]] && compset -P 1 '*='\n\n    for type key descr",
        "compadd -U": 'compadd -i "$IPREFIX" -U',
    },
    "fish": {
        "    for completion in": """\
    set -l before (string match -r -- '^--[a-z-]+=' (commandline -t));

    for completion in""",
        "$metadata[2];": "$metadata[2] | string replace -r '^' -- \"$before\";",
    },
}


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@options.logging_options
@click.pass_context
def completion(context: click.Context, /, shell: str, **_: Any) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is not None:
        # Not the method of the kind: that of bash starts a bash to ask for its version.
        script = ShellComplete.source(kind(context.find_root().command, {}, "webex-audit", _VARIABLE))
        for part, better in _VALUE_OF_OPTION[shell].items():
            script = script.replace(part, better)
        print_result(script.rstrip("\n"))
