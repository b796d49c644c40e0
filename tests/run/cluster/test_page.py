"""The examples of docs/cluster.md protect the cluster, and fit together."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")
pytestmark = pytest.mark.attack("cluster")
PAGE = (Path(__file__).parents[3] / "docs" / "cluster.md").read_text()
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
RESOURCES: list[dict[str, Any]] = list(yaml.safe_load_all(EXAMPLE))


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in RESOURCES if each["kind"] == kind]


def templates() -> Iterator[dict[str, Any]]:
    """The pods of the example."""
    yield from (each["spec"]["template"] for each in of_kind("Deployment"))
    yield from (each["spec"]["jobTemplate"]["spec"]["template"] for each in of_kind("CronJob"))


def test_no_pod_of_the_example_speaks_without_tls() -> None:
    (settings,) = of_kind("ConfigMap")
    assert len(list(templates())) == 3
    for pod in templates():
        (container,) = pod["spec"]["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
        assert any("tls" in str(part) for part in container["args"])
    assert "tcp://" not in EXAMPLE


def test_no_other_pod_reaches_a_pod_of_the_example() -> None:
    (policy,) = of_kind("NetworkPolicy")
    ours = policy["spec"]["podSelector"]["matchLabels"]
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert policy["spec"]["ingress"] == [{"from": [{"podSelector": {"matchLabels": ours}}]}]
    for pod in templates():
        assert ours.items() <= pod["metadata"]["labels"].items()


def test_the_settings_of_the_example_require_certificates_of_all_parts() -> None:
    security = pytest.importorskip("distributed.security")
    dask_config = pytest.importorskip("dask.config")
    (settings,) = of_kind("ConfigMap")
    with dask_config.set(dask_config.merge(dask_config.config, dask_config.collect_env(settings["data"]))):
        found = security.Security()
    assert found.require_encryption is True
    mounted = "/run/secrets/dask/"
    assert found.tls_ca_file == f"{mounted}ca.crt"
    for role in ("scheduler", "worker", "client"):
        assert found.get_tls_config_for_role(role)["cert"] == f"{mounted}tls.crt"


def test_each_reference_of_the_example_has_its_target() -> None:
    for pod in templates():
        (container,) = pod["spec"]["containers"]
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert set(mounts) == {each["name"] for each in pod["spec"]["volumes"]}
        assert all(f"{path}/" in EXAMPLE for path in mounts.values())
    for each in of_kind("Deployment"):
        assert each["spec"]["selector"]["matchLabels"] == each["spec"]["template"]["metadata"]["labels"]
    (service,) = of_kind("Service")
    assert f"tls://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}" in EXAMPLE
    assert service["spec"]["selector"] in [pod["metadata"]["labels"] for pod in templates()]
