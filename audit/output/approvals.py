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
        UsageError: the record can't be read or is too large; nothing is written.
        StoppedError: the lock is lost.
        OSError: the record can't be written.
    """
    everything = [*read_approvals(output), approval]
    counts = {id(each) for each in in_force(everything).values()}
    kept = [each for each in everything[:-MOST] if id(each) in counts] + everything[-MOST:]
    data = msgspec.json.format(msgspec.json.encode(RecordOfApprovals(1, kept)), indent=1) + b"\n"
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"{output / APPROVALS} would have more than {MAX_BYTES:,} bytes: keep it elsewhere as evidence"
        )
    held.check()
    with atomic_file(output / APPROVALS) as file:
        file.write(data)
