"""Which entities an organization has: listed kind by kind, deduplicated, sorted by id."""

from audit.inventory.collector import Found
from audit.inventory.entities import take_inventory
from audit.inventory.users import Users, renew_caller, take_users

__all__ = ["Found", "Users", "renew_caller", "take_inventory", "take_users"]
