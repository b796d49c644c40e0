"""Which entities an organization has: listed kind by kind, deduplicated, sorted by id."""

from audit.inventory.listed import take_inventory
from audit.inventory.users import Users, take_users

__all__ = ["Users", "take_inventory", "take_users"]
