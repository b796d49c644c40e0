"""The lock of an output, as those see it who write there: each destructive step asks whether it is held *then*."""


class Held:
    """A lock that is held. This one is that of an output which nobody else can reach, such as a test's."""

    def check(self) -> None:
        """Go on only while the lock is held.

        Raises:
            StoppedError: it is lost: another run may be at work.
        """

    def promise(self, snapshot_id: str, manifest: bytes) -> None:
        """Announce the manifest that is about to be written, where the lock could be lost before it stands.

        Raises:
            StoppedError: the lock is lost, so that the manifest must not be written.
            OSError: the store refuses.
        """

    def fulfil(self) -> None:
        """The manifest that was promised stands."""
