"""The crawl: reads the settings of each entity of an inventory, and turns the answers into rows."""
