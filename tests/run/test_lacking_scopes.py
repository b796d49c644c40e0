"""A token that may read one dataset and not another: the one is forbidden as a whole, the others are complete."""

import re
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pyarrow.dataset as ds
import pytest
from harness import Result, Where, without

from audit.errors import StoppedError
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import Faults
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
OWN = Organization(40, people=12, virtual_lines=3, paging_groups=4)
TELEPHONY, WORKSPACES = "spark-admin:telephony_config_read", "spark-admin:workspaces_read"
#: By dataset, a part of the paths of its reads, and the scope that they need.
READS = {
    "push_to_talk": ("pushToTalk", WORKSPACES),
    "answer_settings": ("answerSettings", TELEPHONY),
    "paging_groups": ("/paging/", TELEPHONY),
    "audio_options": ("/meetingPreferences/", "meeting:preferences_read"),
}
LACKING = [names for count in range(1, 5) for names in combinations(READS, count)]


def outcomes(snapshot: Snapshot, dataset: str) -> set[str]:
    return {word for word, count in snapshot.manifest.outcomes[dataset].items() if count}


def coverage(snapshot: Snapshot) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table().to_pylist()
    return rows


def asked(simulation: Simulation, *texts: str) -> list[str]:
    return [line for line in simulation.log if any(text in line for text in texts)]


@pytest.mark.few(6)
@pytest.mark.parametrize("lacking", [names for names in LACKING if len(names) < 4], ids="-".join)
@pytest.mark.slow
def test_each_dataset_that_is_refused_is_forbidden_and_each_other_is_complete(
    lacking: tuple[str, ...], audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [READS[name][0] for name in lacking]
    partial = audit(Simulation(OWN, Where("403", *paths)), scope__datasets=["all"])
    assert partial.manifest.status == "partial"
    for name, (_, scope) in READS.items():
        assert ("forbidden" in outcomes(partial, name)) == (name in lacking)
        assert ("ok" in outcomes(partial, name)) == (name not in lacking)
        assert outcomes(partial, name) <= {"ok", "forbidden", "not_licensed"}
        told = [each for each in caplog.messages if f"may not read {name}" in each and scope in each]
        assert len(told) == (name in lacking), caplog.messages
    (org,) = partial.manifest.orgs
    assert set(org.forbidden) == {*lacking}
    assert all(READS[name][1] in text for name, kinds in org.forbidden.items() for text in kinds.values())
    healed = Simulation(OWN)
    whole = audit(healed, retry_failed=partial)
    assert whole.manifest.status == "complete"
    assert whole.manifest.orgs[0].forbidden == {}
    assert asked(healed, *(path for name, (path, _) in READS.items() if name not in lacking)) == []
    assert all(outcomes(whole, name) <= {"ok", "not_licensed"} for name in READS)


def test_a_token_that_may_read_no_dataset_is_refused(
    api: Callable[[Simulation], str], webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(OWN, Where("403", *(path for path, _ in READS.values()))))
    result = webex_audit("run", "--base-url", url, "--dataset", "all")
    assert (result.code, result.err.count("error: "), "Traceback" in result.err) == (4, 1, False)
    assert WORKSPACES in result.err


@pytest.mark.parametrize(
    ("missing", "forbidden", "unlisted"),
    [
        ((TELEPHONY,), {"answer_settings"}, {"paging_groups": ["PAGING_GROUP"]}),
        ((WORKSPACES,), set(), {"push_to_talk": ["WORKSPACE"], "answer_settings": ["WORKSPACE"]}),
        (("meeting:preferences_read", "meeting:admin_preferences_read"), {"audio_options"}, {}),
        (
            (TELEPHONY, "meeting:preferences_read", "meeting:admin_preferences_read"),
            {"answer_settings", "audio_options"},
            {"paging_groups": ["PAGING_GROUP"]},
        ),
    ],
)
def test_a_scope_that_is_missing_refuses_what_needs_it(
    missing: tuple[str, ...],
    forbidden: set[str],
    unlisted: dict[str, list[str]],
    api: Callable[[Simulation], str],
    webex_audit: Callable[..., Result],
    audit: Audit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    snapshot = audit(Simulation(OWN, tokens=without(*missing)), scope__datasets=["all"])
    (org,) = snapshot.manifest.orgs
    assert {name for name in READS if "forbidden" in outcomes(snapshot, name)} == forbidden
    assert {name: [*kinds] for name, kinds in org.unlisted.items()} == unlisted
    assert set(org.forbidden) == forbidden
    for name in READS:
        assert ("ok" in outcomes(snapshot, name)) == (name not in forbidden | unlisted.keys())
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    result = webex_audit("run", "--dataset", "all", "--base-url", api(Simulation(OWN, tokens=without(*missing))))
    assert (result.code, "Traceback" in result.err) == (3, False)
    assert len(re.findall(r" forbidden: it needs the scope ", result.out)) == len(forbidden)
    assert all(result.err.count(scope) >= 1 for scope in missing if "admin_pref" not in scope), result.err
    healed = Simulation(OWN)
    assert audit(healed, retry_failed=snapshot).manifest.status == "complete"
    whole = {name for name in READS if name not in forbidden | unlisted.keys()}
    assert asked(healed, *(READS[name][0] for name in whole)) == []


@pytest.mark.parametrize(
    ("missing", "kind"),
    [("spark-admin:people_read", "PERSON"), (WORKSPACES, "WORKSPACE"), (TELEPHONY, "VIRTUAL_LINE")],
)
def test_a_kind_whose_listing_is_refused_is_missing_and_the_other_kinds_are_read(
    missing: str, kind: str, audit: Audit
) -> None:
    datasets, kinds = ["push-to-talk", "answer-settings"], ["workspace", "person", "virtual-line"]
    lacking = Simulation(OWN, tokens=without(missing))
    partial = audit(lacking, scope__datasets=datasets, scope__entities=kinds)
    (org,) = partial.manifest.orgs
    assert {(name, *unlisted) for name, unlisted in org.unlisted.items()} == {
        ("push_to_talk", kind),
        ("answer_settings", kind),
    }
    read = {(row["dataset"], row["entity_type"]) for row in coverage(partial) if row["outcome"] == "ok"}
    assert {of for name, of in read if name == "push_to_talk"} == {"WORKSPACE", "PERSON", "VIRTUAL_LINE"} - {kind}
    healed = Simulation(OWN)
    whole = audit(healed, retry_failed=partial)
    assert whole.manifest.status == "complete"
    assert {row["entity_type"] for row in coverage(whole)} == {"WORKSPACE", "PERSON", "VIRTUAL_LINE"}
    # With TELEPHONY, the answer settings of all other kinds are missing, too.
    paths = {"WORKSPACE": "/workspaces/", "PERSON": "/people/", "VIRTUAL_LINE": "/virtualLines/"}
    others = [path for of, path in paths.items() if of != kind]
    assert [line for line in asked(healed, "pushToTalk") if any(path in line for path in others)] == []


class First(Faults):
    """The first reads of a dataset are refused, as many as are given, and no later one."""

    def __init__(self, text: str, count: int) -> None:
        super().__init__()
        self._text, self._left = text, count

    def next(self, url: str) -> str | None:
        if self._text in url and self._left:
            self._left -= 1
            return "403"
        return None


@pytest.mark.parametrize("name", ["push_to_talk", "answer_settings", "paging_groups"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_refusal_of_the_first_entities_alone_is_theirs_alone(name: str, count: int, audit: Audit) -> None:
    names = ["push-to-talk", "answer-settings", "paging-groups"]
    partial = audit(Simulation(OWN, First(READS[name][0], count)), scope__datasets=names)
    assert partial.manifest.outcomes[name]["forbidden"] == count
    assert partial.manifest.outcomes[name]["ok"] > 0
    assert all("forbidden" not in outcomes(partial, each) for each in partial.manifest.outcomes if each != name)
    assert partial.manifest.orgs[0].forbidden == {}
    healed = Simulation(OWN)
    assert audit(healed, retry_failed=partial).manifest.status == "complete"
    assert len(asked(healed, *(path for path, _ in READS.values()))) == count


class StoppedLater(Where):
    """Reads of a dataset are refused, and those of another are not answered."""

    def __init__(self, refused: str, dead: str) -> None:
        super().__init__("403", refused)
        self._dead = dead

    def next(self, url: str) -> str | None:
        return "503" if self._dead in url else super().next(url)


@pytest.mark.parametrize(
    ("refused", "dead"),
    [("answer_settings", "push_to_talk"), ("push_to_talk", "answer_settings"), ("paging_groups", "push_to_talk")],
)
@pytest.mark.slow
def test_a_resumed_run_with_a_better_token_reads_only_what_is_missing(refused: str, dead: str, audit: Audit) -> None:
    # The datasets are read in this order.
    datasets = [name.replace("_", "-") for name in (refused, *({*READS} - {refused, dead, "audio_options"}), dead)]
    with pytest.raises(StoppedError):
        audit(Simulation(OWN, StoppedLater(READS[refused][0], READS[dead][0])), scope__datasets=datasets)
    better = Simulation(OWN)
    partial = audit(better, scope__datasets=datasets, is_resuming=True)
    assert asked(better, *(path for name, (path, _) in READS.items() if name != dead)) == []
    assert outcomes(partial, refused) <= {"forbidden", "not_licensed"}
    assert "ok" in outcomes(partial, dead)
    healed = Simulation(OWN)
    whole = audit(healed, retry_failed=partial)
    assert whole.manifest.status == "complete"
    assert asked(healed, *(path for name, (path, _) in READS.items() if name != refused)) == []
    assert len(asked(healed, READS[refused][0])) == whole.manifest.outcomes[refused]["ok"] + len(
        [row for row in coverage(whole) if row["dataset"] == refused and row["outcome"] != "ok" and row["attempts"]]
    )


@pytest.mark.parametrize("organization", [OWN, Organization(3, people=3, paging_groups=2)])
def test_a_token_that_is_not_accepted_is_not_said_to_lack_a_scope(organization: Organization, audit: Audit) -> None:
    faults = Where("401", "answerSettings", "/paging/")
    partial = audit(Simulation(organization, faults), scope__datasets=["all"])
    assert partial.manifest.status == "partial"
    assert "forbidden" in outcomes(partial, "answer_settings") & outcomes(partial, "paging_groups")
    assert partial.manifest.orgs[0].forbidden == {}
