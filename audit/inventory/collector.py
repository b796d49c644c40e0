"""Collects the entities that the listings of an organization name, for an inventory."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import msgspec
import pyarrow as pa

from audit.entity import Entity, entities_of, entity_table
from audit.errors import AuditError
from audit.inventory.devices import Listed, device_rows, gap_of
from audit.inventory.listing import PAGE_SIZE
from audit.inventory.names import NameListing, Names, read_names
from audit.inventory.organizations import Organization
from audit.inventory.sorter import EntitySorter
from audit.output.inventory import Gaps
from audit.threads import in_thread
from audit.webex.client import Client

LOCATIONS = NameListing(
    "/locations", "spark-admin:locations_read", "location names can't be read, so they are left out"
)


class Collector:
    """Collects entities, few of them in memory. Sorts them by id, and keeps the first entity of each id.

    Args:
        client: the API.
        organization: the organization of the entities.

    Attributes:
        unlisted: the kinds of entity that the token may not list, each with the reason.
        invalid_items: by kind of entity, the number of listed items that name no entity.
        are_names_lost: the names of locations could not be read, or not all of them.
        asks_devices: the listing of workspaces asks for their devices.
        has_devices: it was read, and may have named devices.
    """

    def __init__(self, client: Client, organization: Organization, *, asks_devices: bool = False) -> None:
        self.client = client
        self.organization = organization
        self.unlisted: dict[str, str] = {}
        self.invalid_items: dict[str, int] = {}
        self.are_names_lost = False
        self.asks_devices = asks_devices
        self.has_devices = False
        self._devices_refused: str | None = None
        self._sorter = EntitySorter()
        self._location_names: Names | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sorter.__exit__(kind, error, at)

    async def add(self, entities: list[Entity], devices: list[Listed] | None = None) -> None:
        """Add entities, with the names of their locations if the token may read those.

        Raises:
            StoppedError: the API does not answer.
            OSError: a temporary file can't be written.
        """
        if any(entity.location_id and not entity.location_name for entity in entities):
            if self._location_names is None:
                params = {**self.organization.params, "max": PAGE_SIZE}
                self._location_names = await read_names(self.client, LOCATIONS, params)
                self.are_names_lost |= not self._location_names.is_whole
            entities = [_located(entity, self._location_names.by_key) for entity in entities]
        await in_thread(self._sorter.add, entities, devices or ())

    def add_tables(self, entities: Iterable[pa.Table]) -> None:
        """Add entities (`INVENTORY_SCHEMA`) unchanged."""
        for each in entities:
            self._sorter.add(entities_of(each))

    def count_invalid(self, kind: str, items: int) -> None:
        """Count items of the listing of a kind of entity that name no entity."""
        if items:
            self.invalid_items[kind] = self.invalid_items.get(kind, 0) + items

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Drop what the block adds and counts if it raises."""
        before = dict(self.invalid_items)
        try:
            with self._sorter.all_or_none():
                yield
        except BaseException:
            self.invalid_items = before
            raise

    def gaps(self) -> Gaps:
        """What the listings did not give."""
        return Gaps(self.unlisted, self.invalid_items, self.are_names_lost)

    def note_devices(self, refused: AuditError | str | None) -> None:
        """Note that the listing was read with devices, or why it was read without them."""
        self.has_devices = True
        if refused:
            self._devices_refused = f"the workspaces are listed without their devices (includeDevices): {refused}"

    def device_rows(self) -> Iterator[pa.Table]:
        """The rows of `workspace_devices`, in order."""
        return device_rows(self.organization.org_id, self._sorter.devices())

    def devices_gap(self) -> str | None:
        """What is missing from these rows, in words; None if nothing is."""
        return self._devices_refused or gap_of(self._sorter.devices())

    def entities(self) -> Iterator[pa.Table]:
        """The sorted entities (`INVENTORY_SCHEMA`), in tables of at most 500 rows."""
        return map(entity_table, self._sorter.sorted())


def _located(entity: Entity, names: dict[str, str]) -> Entity:
    name = entity.location_name or names.get(entity.location_id or "")
    return msgspec.structs.replace(entity, location_name=name)
