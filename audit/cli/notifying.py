"""Sends the message of a command when it ends. Nothing that goes wrong here changes an exit code."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from audit.config import NotifySettings
from audit.errors import UsageError, words_of
from audit.notify.addresses import read_addresses
from audit.notify.delivery import check_extra, send
from audit.notify.message import Notice, compose, of_failure, of_test
from audit.run.check import Check
from audit.text import count_of

log = logging.getLogger(__name__)


class Teller:
    """Takes what to tell of.

    Attributes:
        is_on: somebody is to hear of it.
        notice: what to tell of; None for nothing yet.
    """

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on
        self.notice: Notice | None = None

    def tell(self, make: Callable[[], Notice | None]) -> None:
        """Make and keep a notice, if somebody is to hear of it."""
        if self.is_on:
            try:
                self.notice = make()
            except Exception as error:  # noqa: BLE001 - the result of the command matters more
                _warn(error)


@contextmanager
def notified(settings: NotifySettings, command: str, *, is_on: bool = True) -> Iterator[Teller]:
    """Send a message when the block ends, however it ends: the error that ends it, else what it tells of.

    Args:
        settings: `[notify]`.
        command: the name of the command.
        is_on: false to send nothing.
    """
    teller = Teller(is_on=is_on and settings.urls_file is not None)
    try:
        yield teller
    except BaseException as error:
        failure = error
        teller.tell(lambda: of_failure(command, failure))
        raise
    finally:
        if teller.notice and _is_wanted(teller.notice, settings):
            _send(teller.notice, settings)
        elif teller.is_on:
            _rehearse(settings)


def examine(settings: NotifySettings, *, sends: bool) -> list[Check]:
    """The doctor's check of notifications: whether they can be sent, or with `sends`, whether a test message is.

    Raises:
        UsageError: a test message is wanted, and no address is configured.
    """
    if settings.urls_file is None:
        if sends:
            raise UsageError("--notify sends to the addresses of notify.urls_file, which is not set")
        return []
    status: Literal["failed", "warning"] = "failed" if sends else "warning"
    try:
        check_extra()
        addresses = read_addresses(settings)
        faults = send(compose(of_test(), settings.report, with_names=False), addresses) if sends else addresses.wrong
    except (UsageError, OSError) as error:
        return [Check("notify", status, words_of(error), UsageError.exit_code)]
    done = "got a test message" if sends else "can be used; --notify sends a test message"
    told = Check("notify", "ok", f"{count_of(len(addresses.found), 'address', 'addresses')} {done}")
    return [Check("notify", status, each, UsageError.exit_code) for each in faults] or [told]


def _is_wanted(notice: Notice, settings: NotifySettings) -> bool:
    return "always" in settings.on or notice.event in settings.on


def _rehearse(settings: NotifySettings) -> None:
    """Warn of what would keep a message from being sent: the first failure is too late to find out."""
    try:
        check_extra()
        faults = read_addresses(settings).wrong
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the result of the command matters more
        faults = [words_of(error) if isinstance(error, Exception) else "interrupted"]
    for fault in faults:
        log.warning("a notification could not be sent: %s", fault)


def _send(notice: Notice, settings: NotifySettings) -> None:
    try:
        message = compose(notice, settings.report, with_names=settings.names)
        for fault in send(message, read_addresses(settings)):
            log.warning("the notification was not sent: %s", fault)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the result of the command matters more
        _warn(error)


def _warn(error: BaseException) -> None:
    why = words_of(error) if isinstance(error, Exception) else "interrupted"
    log.warning("the notification was not sent: %s", why)
    log.debug("details of this error", exc_info=error)
