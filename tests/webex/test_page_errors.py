"""Pages of a listing that hold an error beside their list."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from api import use_answers

from audit.webex.client import Client
from audit.webex.errors import UnansweredError
from audit.webex.paging import pages

ALL = [{"id": f"id-{number}"} for number in range(250)]


def start_of(request: web.Request) -> int:
    return int(request.query.get("start", "0"))


def listing() -> Callable[[Client], Any]:
    async def list_all(client: Client) -> list[Any]:
        found = pages(client, "/workspaces", {"max": "1000"}, "items", scope="a-scope", probe=True)
        return [item async for items in found for item in items]

    return list_all


ERRORS: list[dict[str, Any]] = [
    {"message": "try later"},
    {"errors": [{"description": "try later"}]},
    {"message": "", "errors": ["try later"]},
]


@pytest.mark.parametrize("error", ERRORS)
def test_an_empty_page_beside_an_error_is_asked_for_again(error: dict[str, Any]) -> None:
    def answer(request: web.Request, number: int) -> web.Response:
        start = start_of(request)
        items = ALL[start : start + 100] if number % 2 else []
        return web.json_response({"items": items, **({} if number % 2 else error)})

    items, _ = use_answers(answer, listing())
    assert items == ALL
    with pytest.raises(UnansweredError, match="the API says: try later"):
        use_answers(lambda *_: web.json_response({"items": [], **error}), listing())


@pytest.mark.parametrize("error", ERRORS)
def test_items_beside_an_error_are_kept_with_a_warning(error: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    def answer(request: web.Request, _: int) -> web.Response:
        start = start_of(request)
        return web.json_response({"items": ALL[start : start + 100], **(error if start == 100 else {})})

    items, _ = use_answers(answer, listing())
    assert items == ALL
    assert "items may be missing, because a page also holds an error: try later" in caplog.text


@pytest.mark.parametrize("beside", [{"message": None}, {"errors": []}, {"errors": None, "message": ""}])
def test_a_page_that_only_could_hold_an_error_holds_none(
    beside: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    items, _ = use_answers(
        lambda request, _: web.json_response({"items": ALL[start_of(request) :], **beside}), listing()
    )
    assert items == ALL
    assert not caplog.text
