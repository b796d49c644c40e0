"""All that knows HTTP and Webex; it knows nothing of datasets and snapshots."""
