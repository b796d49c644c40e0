"""Checks each thing that a run needs, and says what to do about each fault."""

import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from audit.clock import Clock
from audit.config import Named, Settings, WebexSettings
from audit.errors import PARTIAL_EXIT_CODE, AuditError, LockedError, RefusedError
from audit.inventory.organizations import Organization
from audit.outcome import Outcome
from audit.output.lock import lock
from audit.run.check import Check, failed, unnamed
from audit.run.credentials import find_tokens, hidden_login, source_title
from audit.run.job import Job
from audit.run.reach import reach, reach_log
from audit.run.scope import RunScope, scope_of
from audit.run.session import clients_of, find_organizations
from audit.storage.errors import unwritable
from audit.storage.place import Place
from audit.text import without_id
from audit.webex.client import Client
from audit.webex.errors import TokenRefusedError
from audit.webex.terms import Terms

_LITTLE_SPACE = 1024**3
#: A longer `Retry-After` is reported instead of waited for.
_PATIENCE_S = 60.0


async def examine(
    settings: Settings, environment: Mapping[str, str], clock: Clock, named: Named, source: str
) -> list[Check]:
    """Check token, API, scopes, organizations and output.

    Args:
        settings: the configuration, already loaded.
        environment: the process environment.
        clock: the time.
        named: the source of the token that flags name.
        source: where the configuration comes from, in words.
    """
    checks = [Check("configuration", "ok", f"{source}; base_url {settings.webex.base_url}"), _output(settings)]
    try:
        scope = scope_of(settings)
    except AuditError as error:
        return [*checks, failed("scope", error)]
    try:
        tokens = find_tokens(settings.webex, environment, clock, named)
        source_of_token = _source(settings.webex, environment, named)
    except AuditError as error:
        return [*checks, failed("token", error)]
    try:
        terms = Terms(clock.monotonic_s() + _PATIENCE_S)
        async with Job(settings, tokens, scope, clock=clock).connect(terms) as client:
            checks.append(await _token(client, source_of_token))
            if checks[-1].status != "failed":
                checks += await _api(client, scope, clock.now() if settings.run.admin_events else None)
    except AuditError as error:
        checks.append(failed("token" if isinstance(error, RefusedError) else "api", error))
    return checks


def _output(settings: Settings) -> Check:
    try:
        output = settings.output.folder
        try:
            with lock(output, makes=True, is_shared=settings.output.shared):
                free = _free(output)
        except OSError as error:
            raise unwritable(output, error) from None
    except LockedError as error:
        return Check("output", "warning", str(error))
    except AuditError as error:
        return failed("output", error)
    if free is not None and free < _LITTLE_SPACE:
        return Check("output", "warning", f"{output} has {free // 1024**2} MiB left: make room")
    left = "" if free is None else f", {free // 1024**3} GiB left"
    return Check("output", "ok", f"{output} can be written{left}")


def _free(output: Place) -> int | None:
    """The free bytes of a folder; None for an object store, where taking the lock has proved that it can be written."""
    if not isinstance(output, Path):
        return None
    if not os.access(output, os.W_OK):
        raise PermissionError(13, "Permission denied")
    return shutil.disk_usage(output).free


def _source(webex: WebexSettings, environment: Mapping[str, str], named: Named) -> Check:
    title = source_title(webex, environment, named)
    return Check("token", "warning" if hidden_login(webex, environment, named) else "ok", title)


async def _token(client: Client, source: Check) -> Check:
    answer = await client.get("/people/me")
    if answer.outcome is Outcome.OK:
        return msgspec.structs.replace(source, message=f"accepted by the API; {source.message}")
    if answer.outcome is Outcome.FORBIDDEN:
        lack = f"may not read its own user ({answer.status}): the scope spark:people_read may be missing"
        return msgspec.structs.replace(source, message=f"accepted by the API, but {lack}; {source.message}")
    return failed("api", client.unanswered("/people/me", answer, "spark:people_read"))


async def _api(client: Client, scope: RunScope, log_at: datetime | None) -> list[Check]:
    """The checks of the organizations, with those of their logs before `log_at`, if it is given."""
    try:
        organizations, invalid = await find_organizations(client, scope)
        checks = await _names(client, organizations)
    except AuditError as error:
        return [failed("organization", error)]
    if invalid:
        message = without_id(invalid, "ORGANIZATION")
        checks.append(Check("organization", "warning", f"{message}: a run is partial; ask Webex support"))
    reached: list[Check] = []
    for organization, own in zip(organizations, clients_of(client, organizations), strict=True):
        title = organization.title if len(organizations) > 1 else None
        found = await _reach(own, organization, scope, log_at)
        reached += [msgspec.structs.replace(each, organization=title) for each in found]
    if any(check.status != "failed" for check in reached):
        # Something could be audited, so a run would commit a partial snapshot.
        reached = [
            msgspec.structs.replace(each, exit_code=PARTIAL_EXIT_CODE) if each.status == "failed" else each
            for each in reached
        ]
    return checks + reached


async def _reach(client: Client, organization: Organization, scope: RunScope, log_at: datetime | None) -> list[Check]:
    try:
        checks = await reach(client, organization, scope)
        if log_at and any(check.status != "failed" for check in checks):
            checks.append(await reach_log(client, organization, log_at))
    except TokenRefusedError:
        raise
    except AuditError as error:
        # Unlike a run, go on even if the API is gone (`Reach.RUN`), to report as much as possible.
        return [failed("organization", error)]
    return checks


async def _names(client: Client, organizations: list[Organization]) -> list[Check]:
    """A check for each organization; whether the token manages it is not known from its name."""
    if all(each.name for each in organizations):
        return [Check("organization", "ok", f"{each.org_id} ({each.name})") for each in organizations]
    answer = await client.get("/organizations")
    without = (
        "GET /organizations does not name it, so the token may not manage it"
        if answer.outcome is Outcome.OK
        else unnamed("its name can't be read", answer, "spark-admin:organizations_read")
    )
    is_doubtful = answer.outcome is Outcome.OK
    return [
        Check(
            "organization",
            "warning" if is_doubtful and not (each.name or each.is_own) else "ok",
            f"{each.org_id} ({each.name or without})",
        )
        for each in organizations
    ]


def exit_code(checks: list[Check]) -> int:
    """The exit code that a run would end with: that of the first failed check."""
    return next((check.exit_code for check in checks if check.status == "failed"), 0)


def as_data(checks: list[Check]) -> list[Any]:
    """The checks for `--json`."""
    return [msgspec.to_builtins(check) for check in checks]
