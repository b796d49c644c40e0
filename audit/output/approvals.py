"""Records decisions about the approved state of an output (`audit.snapshot.approvals` reads the record)."""

import msgspec

from audit.errors import UsageError
from audit.output.held import Held
from audit.snapshot.approvals import MAX_BYTES, MOST, Approval, RecordOfApprovals, in_force, read_approvals
from audit.snapshot.layout import APPROVALS
from audit.storage.content import atomic_file
from audit.storage.place import Place


def record_approval(output: Place, approval: Approval, held: Held) -> None:
    """Record a decision; it is on the disk on return, and a crash leaves the record as it was.

    Args:
        output: the folder of all snapshots.
        approval: the decision.
        held: the lock of the output.

    Raises:
        UsageError: the record can't be read, is too large, or has a later decision; nothing is written.
        StoppedError: the lock is lost.
        OSError: the record can't be written.
    """
    before = read_approvals(output)
    if before and approval.at < before[-1].at:
        raise UsageError(
            f"the last decision in {output / APPROVALS} is of {before[-1].at:%Y-%m-%d %H:%M:%S} UTC, which is still to "
            "come: check the clock of this machine"
        )
    everything = [*before, approval]
    counts = {id(each) for each in in_force(everything)}
    kept = [each for each in everything[:-MOST] if id(each) in counts] + everything[-MOST:]
    data = msgspec.json.format(msgspec.json.encode(RecordOfApprovals(1, kept)), indent=1) + b"\n"
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"{output / APPROVALS} would have more than {MAX_BYTES:,} bytes: keep it elsewhere as evidence"
        )
    held.check()
    with atomic_file(output / APPROVALS) as file:
        file.write(data)
