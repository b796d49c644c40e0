"""Checks each thing that a run needs, and says what to do about each fault."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from audit.clock import Clock
from audit.config import Settings
from audit.crawl.own_data import OwnDataGuard
from audit.datasets import Dataset, Request
from audit.datasets.dataset import ByUser
from audit.entity import Entity, EntityType
from audit.errors import PARTIAL_EXIT_CODE, AuditError, LockedError
from audit.inventory.entities import LISTINGS
from audit.inventory.organizations import Organization
from audit.inventory.people import PEOPLE
from audit.outcome import Outcome
from audit.output.lock import lock
from audit.run.credentials import find_tokens
from audit.run.job import Job
from audit.run.scope import RunScope, scope_of
from audit.run.session import clients_of, find_organizations
from audit.storage.errors import unwritable
from audit.storage.place import Place, make_dir
from audit.text import count_of
from audit.webex.client import Client
from audit.webex.errors import TokenRefusedError
from audit.webex.terms import Terms

_LITTLE_SPACE = 1024**3
#: A longer `Retry-After` is reported instead of waited for.
_PATIENCE_S = 60.0
_NAMES = {EntityType.WORKSPACE: "workspaces", EntityType.PERSON: "people", EntityType.VIRTUAL_LINE: "virtual-lines"}


class Check(msgspec.Struct, frozen=True):
    """The result of one check.

    Attributes:
        name: what was checked.
        status: `ok`, `warning` (a run works anyway), or `failed` (a run does not work).
        message: the finding, and what to do about a fault.
        exit_code: the exit code that a run would end with.
    """

    name: str
    status: Literal["ok", "warning", "failed"]
    message: str
    exit_code: int = 0


async def examine(
    settings: Settings, environment: Mapping[str, str], clock: Clock, *, file_is_flag: bool
) -> list[Check]:
    """Check token, API, scopes, organizations and output.

    Args:
        settings: the configuration, already loaded.
        environment: the process environment.
        clock: the time.
        file_is_flag: `webex.token_file` was given as a flag.
    """
    checks = [Check("configuration", "ok", f"base_url {settings.webex.base_url}"), _output(settings)]
    try:
        scope = scope_of(settings)
    except AuditError as error:
        return [*checks, _failed("scope", error)]
    try:
        tokens = find_tokens(settings.webex, environment, clock, file_is_flag=file_is_flag)
    except AuditError as error:
        return [*checks, _failed("token", error)]
    try:
        terms = Terms(clock.monotonic_s() + _PATIENCE_S)
        async with Job(settings, tokens, scope, clock=clock).connect(terms) as client:
            checks.append(await _token(client))
            if checks[-1].status == "ok":
                checks += await _api(client, scope)
    except AuditError as error:
        checks.append(_failed("api", error))
    return checks


def _failed(name: str, error: AuditError) -> Check:
    return Check(name, "failed", str(error), error.exit_code)


def _output(settings: Settings) -> Check:
    try:
        output = settings.output.folder
        try:
            make_dir(output)
            with lock(output):
                free = _free(output)
        except OSError as error:
            raise unwritable(output, error) from None
    except LockedError as error:
        return Check("output", "warning", str(error))
    except AuditError as error:
        return _failed("output", error)
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


async def _token(client: Client) -> Check:
    answer = await client.get("/people/me")
    if answer.status is None:
        return _failed("api", client.unanswered("/people/me", answer, "spark:people_read"))
    if answer.outcome is Outcome.OK:
        return Check("token", "ok", "accepted by the API")
    return Check("token", "ok", f"accepted by the API, but can't read its own user ({answer.message})")


async def _api(client: Client, scope: RunScope) -> list[Check]:
    try:
        organizations, invalid = await find_organizations(client, scope)
    except AuditError as error:
        return [_failed("organization", error)]
    checks: list[Check] = []
    if invalid:
        message = f"{count_of(invalid, 'listed organization has', 'listed organizations have')} no usable id"
        checks.append(Check("organization", "warning", f"{message}: a run is partial; ask Webex support"))
    for organization, own in zip(organizations, clients_of(client, organizations), strict=True):
        name = organization.name or "its name can't be read: the scope spark-admin:organizations_read would add it"
        checks.append(Check("organization", "ok", f"{organization.org_id} ({name})"))
        try:
            checks += await _reach(own, organization, scope)
        except TokenRefusedError:
            raise
        except AuditError as error:
            # Unlike a run, go on even if the API is gone (`Reach.RUN`), to report as much as possible.
            checks.append(_failed("organization", error))
    failed = [check for check in checks if check.status == "failed"]
    if len(failed) < len(organizations) * sum(len(scope.kinds_of(dataset)) for dataset in scope.datasets):
        # Something could be audited, so a run would commit a partial snapshot.
        checks = [
            msgspec.structs.replace(each, exit_code=PARTIAL_EXIT_CODE) if each in failed else each for each in checks
        ]
    return checks


async def _reach(client: Client, organization: Organization, scope: RunScope) -> list[Check]:
    checks: list[Check] = []
    for dataset in scope.datasets:
        if dataset.by_user:
            checks.append(await _users(client, organization, scope, dataset, dataset.by_user))
            continue
        answer = await client.get("/locations", {**organization.params, "max": "1"})
        if answer.outcome is Outcome.OK:
            checks.append(Check("locations", "ok", "names can be read"))
        else:
            message = f"names can't be read ({answer.message}): the scope spark-admin:locations_read would add them"
            checks.append(Check("locations", "warning", message))
        checks += [await _kind(client, organization, kind) for kind in scope.kinds_of(dataset)]
    return checks


async def _kind(client: Client, organization: Organization, entity_type: EntityType) -> Check:
    kind, name = LISTINGS[entity_type], _NAMES[entity_type]
    answer = await client.get(kind.path, {**organization.params, **kind.params, "max": "1"})
    if answer.outcome is Outcome.OK:
        return Check(name, "ok", f"can be listed (scope {kind.scope})")
    return _failed(name, client.unanswered(kind.path, answer, kind.scope))


async def _users(
    client: Client, organization: Organization, scope: RunScope, dataset: Dataset, by_user: ByUser
) -> Check:
    """Whether the caller's own settings, or those of other users, can be read."""
    name = dataset.name.replace("_", "-")
    try:
        if scope.users.which == "self":
            request, needed = by_user.sites(Entity(EntityType.PERSON, ""), None), by_user.own_scope
        else:
            await OwnDataGuard.begin(client, dataset, by_user)
            if scope.users.which == "named":
                return Check(name, "ok", "the API does not mistake the caller's own settings for those of other users")
            request, needed = Request(PEOPLE.path, {**organization.params, "max": "1"}), PEOPLE.scope
        answer = await client.get(request.path, request.params, has_pins=True)
        if answer.outcome is not Outcome.OK:
            raise client.unanswered(request.path, answer, needed)
    except AuditError as error:
        return _failed(name, error)
    return Check(name, "ok", f"can be read (scope {needed})")


def exit_code(checks: list[Check]) -> int:
    """The exit code that a run would end with: that of the first failed check."""
    return next((check.exit_code for check in checks if check.status == "failed"), 0)


def as_data(checks: list[Check]) -> list[Any]:
    """The checks for `--json`."""
    return [msgspec.to_builtins(check) for check in checks]
