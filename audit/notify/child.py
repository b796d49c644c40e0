"""Sends a message by apprise, in a process of its own, which can be ended whatever a server does.

Reads a request as JSON on standard input, and writes a line for each address when its fate is known: `INDEX WORD`.
"""

import json
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any


def main() -> None:
    """Send the message, and end the process: a thread that still waits for a server does not hold it up."""
    request = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w")
    _silence()
    # If the parent is killed, nobody else ends this process.
    watchdog = threading.Timer(request["timeout_s"], os._exit, [1])
    watchdog.daemon = True
    watchdog.start()
    urls = request["urls"]
    with ThreadPoolExecutor(len(urls)) as pool:
        sendings = {pool.submit(_send, url, request): index for index, url in enumerate(urls)}
        for done in as_completed(sendings):
            answers.write(f"{sendings[done]} {'failed' if done.exception() else done.result()}\n")
            answers.flush()
    os._exit(0)


def _silence() -> None:
    """Let nothing out that apprise logs, prints or warns of: its texts name URLs."""
    logging.disable(logging.CRITICAL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _send(url: str, request: dict[str, Any]) -> str:
    import apprise  # noqa: PLC0415 - takes a second, which the watchdog counts

    # A redirect would hand the message, and the headers of the URL, to whomever the server names. It mostly ends at a
    # page to sign in, so a message that nobody gets would look sent.
    asset = apprise.AppriseAsset(
        app_id="webex-audit",
        app_desc="webex-audit",
        storage_mode="memory",
        async_mode=False,
        http_redirects=False,
    )
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        return "unusable"
    sender = apprise.Apprise(service, asset=asset)
    kind = apprise.NotifyType(request["kind"])
    is_sent = sender.notify(request["body"], request["title"], notify_type=kind, body_format=apprise.NotifyFormat.TEXT)
    return "sent" if is_sent else "failed"


if __name__ == "__main__":
    main()
