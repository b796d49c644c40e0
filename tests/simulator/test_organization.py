from audit.simulator.organization import Organization


def test_a_seed_tells_the_same_organization_every_time() -> None:
    one, same, other = Organization(50), Organization(50), Organization(50, seed=2)
    assert [one.workspace(index) for index in range(50)] == [same.workspace(index) for index in range(50)]
    assert [one.push_to_talk(index) for index in range(50)] == [same.push_to_talk(index) for index in range(50)]
    assert one.org_id != other.org_id


def test_an_id_leads_back_to_its_workspace_and_no_other() -> None:
    organization = Organization(50)
    assert [organization.index_of(organization.workspace(index)["id"]) for index in range(50)] == list(range(50))
    assert organization.index_of(organization.workspace(50)["id"]) is None
    assert organization.index_of(Organization(50, seed=2).workspace(3)["id"]) is None
    assert organization.index_of("nonsense") is None


def test_the_odd_answers_are_all_there() -> None:
    answers = [Organization(2000).push_to_talk(index) for index in range(2000)]
    members = [member for answer in answers for member in answer.get("members") or []]
    numbers = [number for member in members for number in member.get("numbers") or []]
    assert any("members" not in answer for answer in answers)
    assert any(answer.get("members", 0) is None for answer in answers)
    assert any(answer.get("members") == [] for answer in answers)
    assert any(answer["connectionType"] == "HALF_DUPLEX" for answer in answers)
    assert any(isinstance(member.get("location"), str) for member in members)
    assert any(number.get("primary") == "true" for number in numbers)
    assert any("numbers" not in member for member in members)


def test_a_plain_organization_has_none_of_them() -> None:
    answers = [Organization(500, odd=False).push_to_talk(index) for index in range(500)]
    assert {answer["connectionType"] for answer in answers} == {"ONE_WAY", "TWO_WAY"}
    assert all(isinstance(answer["members"], list) for answer in answers)
