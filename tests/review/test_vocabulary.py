"""The words of a review: one for each word of the API, and the word itself where there is none."""

import pytest

from audit.outcome import Outcome
from audit.review import vocabulary
from audit.snapshot.manifest import Scope
from audit.text import count_of


@pytest.mark.parametrize(
    ("column", "text", "shown"),
    [
        ("access_type", "ALLOW_MEMBERS", "only the members (Allowed lines)"),
        ("access_type", "BLOCK_MEMBERS", "anyone but the members (Blocked lines)"),
        ("access_type", "NEW_WORD", "NEW_WORD"),
        ("allow_auto_answer", "true", "yes"),
        ("enabled_toll_free", "false", "no"),
        ("entity_name", "true", "true"),
        ("entity_name", "ONE_WAY", "ONE_WAY"),
    ],
)
def test_values_are_in_plain_words_and_names_stay_as_they_are(column: str, text: str, shown: str) -> None:
    assert vocabulary.value(column, text) == shown


def test_names_that_are_not_known_stay_readable() -> None:
    assert [vocabulary.kind_of(each) for each in ("VIRTUAL_LINE", "PAGING_GROUP")] == ["virtual line", "paging group"]
    assert [vocabulary.dataset(each) for each in ("push_to_talk", "other")] == ["Push-to-Talk", "other"]
    assert [vocabulary.row(each) for each in ("push_to_talk_members", "audio_options")] == ["member", "audio options"]
    assert [vocabulary.column(each) for each in ("access_type", "member_last_name")] == ["who may call", "last name"]


def test_complete_outcomes_are_those_that_say_so() -> None:
    assert {each for each in Outcome if each.is_complete} == vocabulary.COMPLETE_OUTCOMES


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (
            Scope(["push_to_talk"], ["WORKSPACE", "PERSON", "VIRTUAL_LINE"], organizations="all"),
            "Push-to-Talk of every workspace, person and virtual line, in all organizations that the token manages",
        ),
        (
            Scope(["push_to_talk"], ["WORKSPACE"], entity_ids=1, organizations="named", excluded=["o"]),
            "Push-to-Talk of 1 workspace by id, in named organizations but 1 of them",
        ),
        (
            Scope(["audio_options"], ["PERSON"], users="named", user_count=2, sites=["a", "b"]),
            "Audio options of 2 named users on a and b, in the token's own organization",
        ),
        (
            Scope(["push_to_talk", "audio_options"], ["WORKSPACE"], users="all"),
            "Push-to-Talk of every workspace and audio options of all people, in the token's own organization",
        ),
        (Scope(["do_not_disturb"], ["PERSON"]), "Do not disturb of every person, in the token's own organization"),
    ],
)
def test_a_scope_is_one_phrase(asked: Scope, shown: str) -> None:
    assert vocabulary.scope(asked) == shown


def test_a_number_has_the_right_noun() -> None:
    told = [count_of(0, "room"), count_of(1, "entity", "entities"), count_of(2_000, "entity", "entities")]
    assert told == ["0 rooms", "1 entity", "2,000 entities"]


def test_each_dataset_is_of_the_kinds_that_it_has() -> None:
    asked = Scope(["push_to_talk", "paging_groups"], ["WORKSPACE", "PERSON", "PAGING_GROUP"])
    shown = vocabulary.scope(asked)
    assert shown.startswith("Push-to-Talk of every workspace and person and paging groups of every paging group, in ")


def test_datasets_of_the_same_kinds_are_named_together() -> None:
    kinds = ["WORKSPACE", "PERSON", "PAGING_GROUP"]
    shown = vocabulary.scope(Scope(["push_to_talk", "paging_groups", "answer_settings"], kinds, users="self"))
    assert shown.startswith("Push-to-Talk and answer settings of every workspace and person and paging groups of every")
    both = vocabulary.scope(Scope(["push_to_talk", "answer_settings"], ["WORKSPACE"], entity_ids=2))
    assert both.startswith("Push-to-Talk and answer settings of 2 workspaces by id, in ")
    unknown = vocabulary.scope(Scope(["push_to_talk", "of_tomorrow"], ["WORKSPACE", "PAGING_GROUP"]))
    assert unknown.startswith(
        "Push-to-Talk of every workspace and of tomorrow of every workspace and paging group, in "
    )
