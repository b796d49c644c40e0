"""Whether a run could work: each thing that it needs, checked, and what to do about each fault."""

import os
import shutil
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from audit.clock import Clock
from audit.config import Settings
from audit.credentials import find_tokens
from audit.datasets import DATASETS
from audit.errors import AuditError, LockedError
from audit.files import make_dir
from audit.inventory import find_organization
from audit.job import connect_as
from audit.lock import lock
from audit.outcome import Outcome
from audit.webex.client import Client

_LITTLE_SPACE = 1024**3
#: A `Retry-After` beyond this is told, and not waited for.
_PATIENCE_S = 60.0


class Check(msgspec.Struct, frozen=True):
    """One thing that was checked.

    Attributes:
        name: what was checked.
        status: `ok`, `warning` (a run works), or `failed` (it does not).
        message: what was found, and what to do about a fault.
        exit_code: the exit code that a run would end with.
    """

    name: str
    status: Literal["ok", "warning", "failed"]
    message: str
    exit_code: int = 0


async def examine(
    settings: Settings, environment: Mapping[str, str], clock: Clock, *, file_is_flag: bool
) -> list[Check]:
    """Check token, API, scopes, organization and output.

    Args:
        settings: the configuration, which is known to load.
        environment: the process environment.
        clock: the time.
        file_is_flag: `webex.token_file` was given as a flag.
    """
    checks = [Check("configuration", "ok", f"base_url {settings.webex.base_url}"), _output(settings)]
    try:
        tokens = find_tokens(settings.webex, environment, clock, file_is_flag=file_is_flag)
    except AuditError as error:
        return [*checks, _failed("token", error)]
    try:
        async with connect_as(settings, tokens, clock) as client:
            client.deadline_at_s = clock.monotonic_s() + _PATIENCE_S
            checks.append(await _token(client))
            if checks[-1].status == "ok":
                checks += await _api(settings, client)
    except AuditError as error:
        checks.append(_failed("api", error))
    return checks


def _failed(name: str, error: AuditError) -> Check:
    return Check(name, "failed", str(error), error.exit_code)


def _output(settings: Settings) -> Check:
    output = settings.output.folder
    try:
        make_dir(output)
        with lock(output):
            free = shutil.disk_usage(output).free
            if not os.access(output, os.W_OK):
                raise PermissionError(13, "Permission denied")
    except LockedError as error:
        return Check("output", "warning", str(error))
    except OSError as error:
        return Check("output", "failed", f"{output} can't be written: {error.strerror}: name another with --output", 2)
    if free < _LITTLE_SPACE:
        return Check("output", "warning", f"{output} has {free // 1024**2} MiB left: make room")
    return Check("output", "ok", f"{output} can be written, {free // 1024**3} GiB left")


async def _token(client: Client) -> Check:
    answer = await client.get("/people/me")
    if answer.status is None:
        return _failed("api", client.unanswered("/people/me", answer, "spark:people_read"))
    if answer.outcome is Outcome.OK:
        return Check("token", "ok", "taken by the API")
    return Check("token", "ok", f"taken by the API, but may not tell whose it is ({answer.message})")


async def _api(settings: Settings, client: Client) -> list[Check]:
    try:
        organization = await find_organization(client, settings.scope.org_id)
    except AuditError as error:
        return [_failed("organization", error)]
    name = organization.name or "its name can't be read: spark-admin:organizations_read would add it"
    checks = [Check("organization", "ok", f"{organization.org_id} ({name})")]
    page = {**organization.params, "max": "1"}
    answer = await client.get("/locations", page)
    if answer.outcome is Outcome.OK:
        checks.append(Check("locations", "ok", "names can be read"))
    else:
        message = f"names can't be read ({answer.message}): spark-admin:locations_read would add them"
        checks.append(Check("locations", "warning", message))
    scope = next(iter(DATASETS["push_to_talk"].scopes.values()))
    answer = await client.get("/workspaces", page)
    if answer.outcome is Outcome.OK:
        checks.append(Check("workspaces", "ok", f"can be listed (scope {scope})"))
    else:
        checks.append(_failed("workspaces", client.unanswered("/workspaces", answer, scope)))
    return checks


def exit_code(checks: list[Check]) -> int:
    """The exit code that a run would end with: that of the first failure."""
    return next((check.exit_code for check in checks if check.status == "failed"), 0)


def as_data(checks: list[Check]) -> list[Any]:
    """The checks for `--json`."""
    return [msgspec.to_builtins(check) for check in checks]
