"""The entities of an organization: listed kind by kind, deduplicated, and sorted by id."""

from audit.inventory.collector import Collector
from audit.inventory.entities import take_inventory
from audit.inventory.users import Users, renew_caller, take_caller, take_users

__all__ = ["Collector", "Users", "renew_caller", "take_caller", "take_inventory", "take_users"]
