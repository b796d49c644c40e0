"""Which entities an organization has: listed kind by kind, deduplicated, sorted by id."""

from audit.inventory.found import Found
from audit.inventory.listed import take_inventory
from audit.inventory.users import Users, renew_caller, take_users

__all__ = ["Found", "Users", "renew_caller", "take_inventory", "take_users"]
