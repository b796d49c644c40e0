"""Sends a message to all addresses within a bounded time, and says what became of it in our own words."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from audit.errors import UsageError
from audit.extras import how_to_add
from audit.notify.addresses import Addresses
from audit.notify.message import Message

#: A scheduler that waits for the end of a run may kill it after 30 seconds.
MOST_S = 20.0
_LINE = re.compile(r"([0-9]{1,6}) (sent|failed|unusable)")
_WORDS = {
    "failed": "the server did not take it, or did not answer in time",
    "unusable": "apprise does not know such a URL",
}


def check_extra() -> None:
    """Check that apprise is installed.

    Raises:
        UsageError: it is not.
    """
    if find_spec("apprise") is None:
        raise UsageError(f"apprise is not installed: {how_to_add('notify')}")


def send(message: Message, addresses: Addresses, most_s: float = MOST_S) -> list[str]:
    """Send a message.

    Args:
        message: the message.
        addresses: who gets it.
        most_s: what is not sent after this many seconds, is not sent.

    Returns:
        A sentence for each address that did not get it, and for each line that is not an address.

    Raises:
        UsageError: apprise is not installed.
        OSError: no process can be started.
    """
    check_extra()
    told = _ask(message, [each.url for each in addresses.found], most_s)
    late = f"no answer within {most_s:g} s"
    faults = ((each, told.get(index)) for index, each in enumerate(addresses.found))
    return addresses.wrong + [
        f"{addresses.path}, line {address.line}: {_WORDS.get(word or '', late)}"
        for address, word in faults
        if word != "sent"
    ]


def _ask(message: Message, urls: list[str], most_s: float) -> dict[int, str]:
    """What became of each URL, by index, as far as it is known in time."""
    request = {"urls": urls, "timeout_s": most_s, **message._asdict()}
    # Nothing of the current folder is run (-P), and the process gets no token of Webex.
    command = [sys.executable, "-P", "-m", "audit.notify.child"]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("WEBEX_")}
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command,
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=most_s,
            check=False,
            start_new_session=True,
        )
        output = done.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    return dict(_read(output.decode("ascii", "replace")))


def _read(output: str) -> Iterator[tuple[int, str]]:
    for line in output.splitlines():
        if found := _LINE.fullmatch(line):
            yield int(found[1]), found[2]
