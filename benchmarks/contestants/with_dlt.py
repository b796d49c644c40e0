"""dlt's `rest_api` source, a parent and a child resource, to Parquet files, as its documentation advises.

python benchmarks/contestants/with_dlt.py BASE_URL OUTPUT
"""

import sys
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source


def main(base_url: str, output: Path) -> None:
    """Read all workspaces and load them."""
    source = rest_api_source(
        {
            "client": {
                "base_url": base_url,
                "auth": {"type": "bearer", "token": "bench-token-bench-token"},
                "paginator": {"type": "header_link"},
            },
            "resources": [
                {
                    "name": "workspaces",
                    "endpoint": {"path": "workspaces", "params": {"max": 1000}, "data_selector": "items"},
                    "parallelized": True,
                },
                {
                    "name": "push_to_talk",
                    "endpoint": {
                        "path": "telephony/config/workspaces/{resources.workspaces.id}/pushToTalk",
                        "paginator": "single_page",
                    },
                    "include_from_parent": ["id"],
                    "parallelized": True,
                },
            ],
        }
    )
    pipeline = dlt.pipeline(
        "speed",
        pipelines_dir=str(output / "state"),
        destination=dlt.destinations.filesystem(bucket_url=(output / "tables").as_uri()),
        dataset_name="webex",
    )
    pipeline.run(source, loader_file_format="parquet").raise_on_failed_jobs()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
