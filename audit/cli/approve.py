"""The command `approve`."""

import getpass
import hashlib
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from audit.cli import options, views
from audit.cli.approvals import describe, render_list, sentence
from audit.cli.command import Command, heading
from audit.cli.options import settings_of
from audit.cli.results import print_done, print_result, tell_nothing
from audit.errors import UsageError
from audit.redaction import redact
from audit.snapshot.approvals import TEXT_CHARS, Approval, Decision, in_force, read_approvals, signed
from audit.snapshot.catalog import check_output, find_snapshot, list_snapshots
from audit.snapshot.layout import MANIFEST, SNAPSHOT_ID
from audit.snapshot.manifest import MAX_BYTES
from audit.snapshot.prefix import is_prefix
from audit.snapshot.scope import has_parquet, partners_of, scope_digest
from audit.storage.content import read_small
from audit.storage.place import Place
from audit.text import printable

if TYPE_CHECKING:
    from audit.clock import Clock

log = logging.getLogger(__name__)


@click.command(cls=Command)
@click.argument("snapshot", required=False)
@heading("Decision")
@click.option("--reason", metavar="TEXT", help="Why; required.")
@click.option("--by", metavar="NAME", help="Who decides. [default: the user of this machine]")
@click.option("--allow-partial", is_flag=True, help="Approve a partial snapshot: what has no answer stays unknown.")
@click.option("--withdraw", is_flag=True, help="End the approval of SNAPSHOT. [default: approved]")
@click.option("--list", "is_list", is_flag=True, help="List all decisions, oldest first; decide nothing.")
@options.shared_option
@options.config_options
@options.json_option
@options.logging_options
def approve(
    snapshot: str | None,
    reason: str | None,
    by: str | None,
    *,
    allow_partial: bool,
    withdraw: bool,
    is_list: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Record a snapshot as the approved state of its scope.

    SNAPSHOT is a path, an id or its first characters, 'latest' (the default) or 'previous', in the output. The
    snapshot must check out as 'verify' checks it. 'approved' names it from then on, 'check' and 'report' compare with
    it, and 'prune' keeps it. The decision is signed if sign.key_file is set.
    """
    settings = settings_of(given)
    if is_list:
        if snapshot or reason or by or withdraw or allow_partial:
            raise UsageError("--list only lists: leave out SNAPSHOT, --reason, --by, --withdraw and --allow-partial")
        everything = read_approvals(settings.output.folder)
        if not everything and not list_snapshots(settings.output.folder):
            tell_nothing(settings)
        print_result(views.as_json([*map(describe, everything)]) if as_json else render_list(everything))
        return 0
    if withdraw and allow_partial:
        raise UsageError("--allow-partial belongs to an approval: leave it out with --withdraw")
    wanted = Wanted(
        snapshot, _text("--reason", reason), _text("--by", _user() if by is None else by), withdraw, allow_partial
    )
    decided = decide(settings.output.folder, wanted, settings.sign.key_file, is_shared=settings.output.shared)
    if by is None and decided.by == "root":
        log.warning(
            "the approval is recorded as made by root, which does not name a person: name who decides with --by"
        )
    if as_json:
        print_result(views.as_json(describe(decided)))
    else:
        print_done(sentence(decided), is_quiet=given["quiet"])
    return 0


class Wanted(NamedTuple):
    """What the options ask for."""

    snapshot: str | None
    reason: str
    by: str
    withdraws: bool
    allows_partial: bool


class Subject(NamedTuple):
    """What a decision is about, with the attributes of `Approval`."""

    snapshot_id: str
    manifest_sha256: str
    scope: str
    organizations: list[str]


def decide(
    output: Place, wanted: Wanted, key_file: str | None = None, *, is_shared: bool = False, clock: "Clock | None" = None
) -> Approval:
    """Record a decision, under the lock of the output: meanwhile, nothing is pruned.

    Args:
        output: the folder of all snapshots.
        wanted: the decision.
        key_file: the key that signs; None to sign nothing.
        is_shared: accept a folder that other users may write to.
        clock: the time of the decision; the real time by default.

    Raises:
        UsageError: the snapshot can't be approved, or the record can't be written.
        LockedError: another run holds the lock.
    """
    from audit.clock import Clock
    from audit.files import expand
    from audit.output.approvals import record_approval
    from audit.output.lock import lock
    from audit.snapshot.proof.signing import load_private_key
    from audit.storage.errors import unwritable

    key = load_private_key(expand(key_file)) if key_file else None
    try:
        check_output(output)
        with lock(output, is_shared=is_shared) as held:
            if wanted.withdraws:
                ended = _in_force(output, wanted.snapshot)
                of = Subject(ended.snapshot_id, ended.manifest_sha256, ended.scope, ended.organizations)
            else:
                of = _checked(output, wanted)
            decision: Decision = "withdrawn" if wanted.withdraws else "approved"
            made = Approval(
                **of._asdict(), decision=decision, by=wanted.by, at=(clock or Clock()).now(), reason=wanted.reason
            )
            record_approval(output, made := signed(made, key), held)
    except OSError as error:
        raise unwritable(output, error, "copy the folder, and name the copy with --output") from None
    return made


def _checked(output: Place, wanted: Wanted) -> Subject:
    """A snapshot that may be approved.

    Raises:
        UsageError: it may not.
    """
    from audit.review.verify.verify import verify

    found = find_snapshot(output, wanted.snapshot or "latest")
    snapshot_id = found.manifest.snapshot_id
    if found.path.resolve() != (output / snapshot_id).resolve():
        raise UsageError(f"{found.path} is not in {output}: name the output of the snapshot with --output")
    sha256 = hashlib.sha256(read_small(found.path / MANIFEST, MAX_BYTES) or b"").hexdigest()
    verified = verify(output, snapshot_id, with_approvals=False)
    if verified.faults or verified.manifest_sha256 != sha256:
        fault = f"{verified.faults[0].path}: {verified.faults[0].message}" if verified.faults else "it has changed"
        raise UsageError(
            f"snapshot {snapshot_id} is damaged, and can't be approved: {printable(fault)}; 'webex-audit verify "
            f"{snapshot_id}' shows all faults"
        )
    if not has_parquet(found.manifest):
        raise UsageError(f"snapshot {snapshot_id} holds no Parquet to compare with: run with --format parquet")
    if found.manifest.status != "complete" and not wanted.allows_partial:
        raise UsageError(
            f"snapshot {snapshot_id} is partial ({views.shortcomings(found)}): approve a complete snapshot, or insist "
            "with --allow-partial; what has no answer is not approved, and stays unknown"
        )
    return Subject(snapshot_id, sha256, scope_digest(found.manifest), partners_of(found.manifest))


def _in_force(output: Place, name: str | None) -> Approval:
    """The approval to withdraw; the id of its snapshot names it even if the snapshot is gone.

    Raises:
        UsageError: nothing such is approved.
    """
    found = in_force(read_approvals(output))
    if name not in (None, "approved") and not SNAPSHOT_ID.fullmatch(name):
        try:
            name = find_snapshot(output, name).manifest.snapshot_id
        except UsageError:
            begun = [each for each in found if is_prefix(name) and each.snapshot_id.startswith(name)]
            if len(begun) != 1:
                raise
            return begun[0]
    if name not in (None, "approved"):
        found = [each for each in found if each.snapshot_id == name]
    elif len(found) > 1:
        ids = ", ".join(each.snapshot_id for each in found)
        raise UsageError(f"several snapshots are approved ({ids}): name the one to withdraw by its id")
    if not found:
        raise UsageError(
            f"{name or 'no snapshot'} is {'not ' if name else ''}approved: 'webex-audit approve --list' lists what is"
        )
    return found[0]


def _text(flag: str, text: str | None) -> str:
    """A text that stands in the record, without secrets.

    Raises:
        UsageError: it says nothing, is too long, or holds invisible characters.
    """
    given = redact((text or "").strip())
    if not given:
        raise UsageError(f"{flag} is missing: an approval says {'why' if flag == '--reason' else 'who decided'}")
    if len(given) > TEXT_CHARS or not given.isprintable():
        raise UsageError(f"{flag}: expected one line of at most {TEXT_CHARS} characters, without invisible characters")
    return given


def _user() -> str:
    """The user of this machine, as the system knows it: anybody can set a variable of the environment."""
    with suppress(ImportError, KeyError):
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    raise UsageError("this user has no name on this machine: name who decides with --by")
