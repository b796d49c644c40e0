"""The CronJob: valid to the letter, as confined as it says, and of one mind with the exit codes of the command."""

import os
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from containers import CONTAINERFILE, Container, image, instructions, why_not
from examples import EXAMPLES, Api, Ended, is_root, night, shell

TEXT = (EXAMPLES / "kubernetes.yaml").read_text()
CONFIG_MAP, CLAIM, CRON_JOB = yaml.safe_load_all(TEXT)
JOB = CRON_JOB["spec"]["jobTemplate"]["spec"]
POD = JOB["template"]["spec"]
(RUN,) = POD["containers"]
(SEED,) = POD["initContainers"]
SECRETS = "/run/secrets/webex-audit"


def validate(text: str, version: str) -> None:
    """Compare all objects with the schemas of a version; a field that they do not know is an error."""
    for each in yaml.safe_load_all(text):
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("version", ["1.31", "1.32", "1.34", kubernetes_validate.latest_version()])
@pytest.mark.slow
def test_each_object_is_valid_for_each_version(version: str) -> None:
    validate(TEXT, version)


@pytest.mark.parametrize(
    ("field", "misspelt"),
    [
        ("concurrencyPolicy:", "concurencyPolicy:"),
        ("readOnlyRootFilesystem:", "readonlyRootFilesystem:"),
        ("onExitCodes:", "onExitCode:"),
        ("storage: 10Gi", "storage: [10Gi]"),
        ("backoffLimit: 3", 'backoffLimit: "3"'),
    ],
)
def test_a_misspelt_field_is_refused(field: str, misspelt: str) -> None:
    assert field in TEXT
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(TEXT.replace(field, misspelt), "1.32")


def becomes(code: int) -> str:
    """What Kubernetes makes of the exit code of a container, by its page about pod failure policies."""
    if code == 0:
        return "complete"
    for rule in JOB["podFailurePolicy"]["rules"]:
        if code in rule.get("onExitCodes", {}).get("values", []):
            return str(rule["action"])
    return "retried" if JOB["backoffLimit"] else "failed"


@pytest.mark.parametrize("code", [2, 3, 4, 6, 70])
def test_an_exit_code_that_a_retry_does_not_change_ends_the_job(code: int) -> None:
    assert becomes(code) == "FailJob"
    assert RUN["name"] in [
        rule.get("onExitCodes", {}).get("containerName") for rule in JOB["podFailurePolicy"]["rules"]
    ]


@pytest.mark.parametrize("code", [5, 137, 143])
def test_a_run_that_stopped_or_was_killed_is_resumed(code: int) -> None:
    assert becomes(code) == "retried"
    assert "--resume" in RUN["args"]
    # Only a pod that is not restarted in place is judged by its exit code.
    assert (POD["restartPolicy"], CRON_JOB["spec"]["concurrencyPolicy"]) == ("Never", "Forbid")
    assert POD["terminationGracePeriodSeconds"] >= 60


def test_the_job_ends_before_the_next_night() -> None:
    assert JOB["activeDeadlineSeconds"] < 24 * 3600


@pytest.mark.parametrize("container", [RUN, SEED], ids=["run", "seed"])
def test_a_container_may_do_nothing_that_it_need_not(container: dict[str, Any]) -> None:
    confined = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container["securityContext"] == confined
    pod = POD["securityContext"]
    assert (pod["runAsNonRoot"], pod["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert f"{pod['runAsUser']}:{pod['runAsGroup']}" == image().user
    assert POD["automountServiceAccountToken"] is False
    assert {"memory"} <= {*container["resources"]["limits"]} <= {*container["resources"]["requests"]}


def test_the_names_and_paths_agree() -> None:
    mounts = {each["mountPath"]: each["name"] for each in RUN["volumeMounts"]}
    volumes = {each["name"]: each for each in POD["volumes"]}
    assert {*mounts.values()} == {*volumes}
    assert {image().folder, "/tmp", SECRETS} <= {*mounts}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
    assert volumes["config"]["configMap"]["name"] == CONFIG_MAP["metadata"]["name"]
    assert RUN["image"] == SEED["image"]
    assert "ENTRYPOINT" in {each.word for each in instructions(CONTAINERFILE.read_text())}
    (variable,) = RUN["env"]
    folder, _, name = variable["value"].rpartition("/")
    assert (variable["name"], mounts[folder], name in CONFIG_MAP["data"]) == ("WEBEX_AUDIT_CONFIG", "config", True)
    config = tomllib.loads(CONFIG_MAP["data"][name])
    assert config["webex"]["client_secret_file"].startswith(f"{SECRETS}/")
    assert config["webex"]["refresh_token_file"].startswith("/data/")
    assert config["output"]["path"].startswith("/data/")


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "not needed")
@pytest.mark.parametrize("code", [0, 3, 5])
@pytest.mark.slow
def test_the_pod_runs_as_written(code: int, api: Api, tmp_path: Path) -> None:
    root, data, secrets = (tmp_path / name for name in ("root", "data", "secrets"))
    for folder in (root, data, secrets / "webex-audit"):
        folder.mkdir(parents=True)
    # As a volume and a Secret with fsGroup are mounted.
    os.chown(data, 0, 10001)
    data.chmod(0o2775)
    for name, text in {"client-secret": "s3cret", "refresh-token": "r3fresh", **CONFIG_MAP["data"]}.items():
        path = secrets / "webex-audit" / name
        path.write_text(text)
        path.chmod(0o440)
        os.chown(path, 0, 10001)
    container = Container(root, data, secrets)
    assert container.run(*SEED["command"][1:], entrypoint=SEED["command"][:1]) == Ended(0, "", "")
    settings = {name: text for name, text in night(code, api).items() if name != "WEBEX_ACCESS_TOKEN"}
    result = container.run(*RUN["args"], "--quiet", WEBEX_AUDIT_CONFIG=f"{SECRETS}/config.toml", **settings)
    # Partial is a result.
    assert result.code == {3: 0}.get(code, code), result
    assert ("the snapshot is partial" in result.err, result.err == "") == (code == 3, code == 0), result


def seeded(folder: Path) -> Ended:
    """Run the script of the init container with its folders in another place, without the power of root over modes."""
    script = SEED["command"][-1].replace("/data", f"{folder}/data").replace(SECRETS, f"{folder}/secret")
    powerless = ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if is_root() else ()
    return shell(script, {}, folder, (*powerless, "/bin/sh", *SEED["command"][1:-1]))


def put(secret: Path, text: str) -> None:
    """Replace a file of a Secret, which is mounted with its mode."""
    secret.unlink(missing_ok=True)
    secret.write_text(text)
    secret.chmod(POD["volumes"][1]["secret"]["defaultMode"])


def test_the_refresh_token_of_the_secret_is_taken_once_and_again_when_it_is_new(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret").mkdir()
    given, kept = tmp_path / "secret" / "refresh-token", tmp_path / "data" / "token" / "refresh-token"
    for secret, rotated, expected in [("one", "", "one"), ("one", "two", "two"), ("three", "", "three")]:
        put(given, secret)
        if rotated:
            kept.write_text(rotated)
        assert seeded(tmp_path).code == 0
        assert (kept.read_text(), kept.stat().st_mode & 0o777) == (expected, 0o600)
        assert seeded(tmp_path).code == 0
        assert kept.read_text() == expected


def test_a_refresh_token_that_was_cut_off_is_taken_again(tmp_path: Path) -> None:
    test_the_refresh_token_of_the_secret_is_taken_once_and_again_when_it_is_new(tmp_path)
    (tmp_path / "data" / "token" / "refresh-token").write_text("")
    assert seeded(tmp_path).code == 0
    assert (tmp_path / "data" / "token" / "refresh-token").read_text() == "three"


def test_a_refresh_token_that_was_cut_off_while_it_was_copied_is_taken_again(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "data" / "token").mkdir(parents=True)
    put(tmp_path / "secret" / "refresh-token", "one")
    for left in ("new", "taken", "refresh-token"):
        put(tmp_path / "data" / "token" / left, "on")
    assert seeded(tmp_path) == Ended(0, "", "")
    assert (tmp_path / "data" / "token" / "refresh-token").read_text() == "one"


def test_a_secret_without_a_refresh_token_stops_the_pod(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    result = seeded(tmp_path)
    assert (result.code != 0, "refresh-token" in result.err) == (True, True)
