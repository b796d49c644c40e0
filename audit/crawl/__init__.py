"""The crawl: each entity of an inventory is asked for, and each answer becomes rows."""
