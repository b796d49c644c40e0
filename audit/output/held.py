"""The lock of an output as its writers see it: each destructive step checks that the lock is held at that moment."""


class Held:
    """A lock that is held. This class itself is for an output that nobody else can reach, such as a test's."""

    def check(self) -> None:
        """Raise unless the lock is still held.

        Raises:
            StoppedError: the lock is lost: another run may be at work.
        """

    def promise(self, snapshot_id: str, manifest: bytes) -> None:
        """Announce the manifest that is about to be written, in case the lock is lost before the manifest stands.

        Raises:
            StoppedError: the lock is lost, so the manifest must not be written.
            OSError: the store refuses.
        """

    def fulfil(self) -> None:
        """Record that the promised manifest stands."""
