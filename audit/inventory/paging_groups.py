"""Paging groups: `GET /telephony/config/paging`, whose items name the location that a read needs."""

from audit.entity import EntityType
from audit.inventory.listing import PAGE_SIZE, Listing, reader_of_locals

PAGING_GROUPS = Listing(
    "/telephony/config/paging",
    "locationPaging",
    "spark-admin:telephony_config_read",
    reader_of_locals(EntityType.PAGING_GROUP),
    {"max": PAGE_SIZE},
    probe=True,
)
