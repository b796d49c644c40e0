"""Listings: whole, or an error, whatever the server does with its pages."""

import logging
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from aiohttp import web
from api import Answers, use_answers
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import StoppedError
from audit.webex.client import Client
from audit.webex.errors import ForeignLinkError, UnansweredError
from audit.webex.paging import pages
from audit.webex.seen import SeenIds

ALL = [{"id": f"id-{number}"} for number in range(250)]
#: Gives the headers of a page, from the URL of the next page.
Header = Callable[[str], list[tuple[str, str]]]


def start_of(request: web.Request) -> int:
    return int(request.query.get("start", "0"))


def page(items: list[Any], headers: list[tuple[str, str]] | None = None) -> web.Response:
    response = web.json_response({"items": items})
    for name, value in headers or []:
        response.headers.add(name, value)
    return response


def by_start(header: Header, size: int = 100, *, last: Header | None = None) -> Answers:
    """Pages by `start`, all but the last with a header."""

    def answer(request: web.Request, _: int) -> web.Response:
        start = start_of(request)
        follows = start + size < len(ALL)
        url = f"{request.url.origin()}{request.path}?max=1000&start={start + size}"
        return page(ALL[start : start + size], header(url) if follows else last(url) if last else [])

    return answer


def listing(path: str = "/workspaces", *, probe: bool = True, size: int = 1000) -> Callable[[Client], Any]:
    async def list_all(client: Client) -> list[Any]:
        found = pages(client, path, {"max": str(size)}, "items", scope="a-scope", probe=probe)
        return [item async for items in found for item in items]

    return list_all


LINKS: dict[str, Header] = {
    "in single quotes": lambda url: [("Link", f"<{url}>; rel='next'")],
    "after a title that speaks of rel": lambda url: [("Link", f'<{url}>; title="a; rel=\'x\'"; rel="next"')],
    "after an escaped quote": lambda url: [("Link", f'<{url}>; title="a \\", b"; rel="next"')],
    "without brackets": lambda url: [("Link", f'{url}; rel="next"')],
    "beside another link, whose title says next": lambda url: [
        ("Link", f'<{url}&last>; title="page;rel=next"; rel="last", <{url}>; rel="next"')
    ],
    "in a second header": lambda url: [("Link", f'<{url}&first>; rel="first"'), ("Link", f'<{url}>; rel="next"')],
    "of 40 kB": lambda url: [("Link", f'<{url}&cursor={"a" * 40_000}>; rel="next"')],
    "relative": lambda url: [("Link", f'<?{url.partition("?")[2]}>; rel="next"')],
    "in upper case": lambda url: [("LINK", f'<{url}>; REL="NEXT"')],
}


@pytest.mark.parametrize("form", LINKS)
def test_a_listing_follows_a_next_link_in_any_readable_form(form: str) -> None:
    items, asked = use_answers(by_start(LINKS[form]), listing(probe=False))
    assert (items, len(asked)) == (ALL, 3)


UNUSABLE: dict[str, Header] = {
    "no links at all": lambda _: [],
    "text that is not a link": lambda _: [("Link", "nonsense")],
    "an empty header": lambda _: [("Link", "")],
    "another relation": lambda url: [("Link", f'<{url}>; rel="last"')],
    "an anchor": lambda url: [("Link", f'<{url}>; rel="next"; anchor="/other"')],
    "a URL alone": lambda url: [("Link", f"<{url}>")],
}


@pytest.mark.parametrize("form", UNUSABLE)
def test_a_header_without_a_next_link_is_not_the_end(form: str) -> None:
    items, _ = use_answers(by_start(UNUSABLE[form], last=UNUSABLE[form]), listing())
    assert items == ALL


@pytest.mark.parametrize("lost_after", [1, 2])
def test_a_link_that_is_lost_amid_a_listing_is_not_the_end(lost_after: int) -> None:
    def header(url: str) -> list[tuple[str, str]]:
        is_lost = url.endswith(f"start={lost_after * 100}")
        return [] if is_lost else [("Link", f'<{url}>; rel="next"')]

    items, _ = use_answers(by_start(header), listing())
    assert items == ALL


@pytest.mark.parametrize("status", [400, 404])
def test_a_probe_that_finds_nothing_is_the_end(status: int) -> None:
    def answer(request: web.Request, _: int) -> web.Response:
        if "start" in request.query:
            return web.json_response({"message": "no such page"}, status=status)
        return page(ALL[:100])

    items, asked = use_answers(answer, listing())
    assert (items, len(asked)) == (ALL[:100], 2)


def test_a_short_last_page_after_links_needs_no_probe() -> None:
    _, asked = use_answers(by_start(LINKS["relative"]), listing())
    assert len(asked) == 3


def test_a_listing_that_ignores_start_and_links_to_nothing_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        items, asked = use_answers(lambda *_: page(ALL[:100]), listing())
    assert (items, len(asked)) == (ALL[:100], 2)
    assert "it may hold more than 100 items" in caplog.text


@pytest.mark.parametrize("probe", [True, False])
def test_an_unreadable_header_of_a_listing_that_ignores_start_is_an_error(*, probe: bool) -> None:
    with pytest.raises(UnansweredError, match="the Link header can't be read"):
        use_answers(lambda *_: page(ALL[:100], [("Link", "page=2 of 3")]), listing("/people", probe=probe))


def shifted(number: int) -> list[Any]:
    """A hundred items of the whole, from anywhere."""
    return (ALL * 40)[number * 37 : number * 37 + 100]


DOUBTFUL: dict[str, Header] = {
    "no header, and as many items as were asked for": lambda _: [],
    "the number of the last page": lambda url: [("Link", f'<{url}9>; rel="last"')],
    "the last page after the first one": lambda url: [("Link", f'<{url}>; rel=first, <{url}9>; rel="last"')],
}


@pytest.mark.parametrize("form", DOUBTFUL)
def test_a_listing_that_takes_no_start_ends_in_doubt_with_a_warning(
    form: str, caplog: pytest.LogCaptureFixture
) -> None:
    header = DOUBTFUL[form]

    def ignore_start(request: web.Request, _: int) -> web.Response:
        return page(ALL[:100], header(str(request.url)))

    def refuse_start(request: web.Request, _: int) -> web.Response:
        if "start" in request.query:
            return web.json_response({"message": "unknown parameter", "trackingId": "T"}, status=400)
        return ignore_start(request, 0)

    for answer in (ignore_start, refuse_start):
        items, asked = use_answers(answer, listing("/people", probe=False, size=100))
        assert (items, len(asked)) == (ALL[:100], 2)
        assert "it may hold more than 100 items" in caplog.text
        caplog.clear()
    items, _ = use_answers(by_start(header), listing("/people", probe=False, size=100))
    assert items == ALL


@pytest.mark.parametrize(
    "link", ['&lt;{url}&gt;; rel="next"', '"{url}"; rel="next"', "<{url}>; rel=\u201cnext\u201d", 'p2; rel="next"']
)
def test_a_header_that_only_a_human_could_read_is_not_the_end(link: str) -> None:
    def header(url: str) -> list[tuple[str, str]]:
        return [("Link", link.format(url=url))]

    items, _ = use_answers(by_start(header), listing())
    assert items == ALL
    with pytest.raises(UnansweredError, match="the Link header can't be read"):
        use_answers(lambda *_: page(ALL[:100], header("/v1/people?page=2")), listing("/people", probe=False))


CIRCLES: dict[str, Callable[[int], list[Any]]] = {
    "the same page": lambda _: ALL[:100],
    "the same items, cut at other places": lambda number: shifted(number % 90),
    "the same items in another order": lambda number: ALL[number % 100 :] + ALL[: number % 100],
    "one item": lambda _: ALL[:1],
    "two pages in turn": lambda number: ALL[:100] if number % 2 else ALL[100:200],
}


@pytest.mark.parametrize("form", CIRCLES)
@pytest.mark.parametrize("is_empty_between", [False, True])
def test_a_listing_that_repeats_itself_under_fresh_cursors_ends_in_an_error(
    form: str, *, is_empty_between: bool
) -> None:
    def answer(request: web.Request, number: int) -> web.Response:
        url = f'<{request.url.origin()}{request.path}?max=1000&cursor=fresh-{number}>; rel="next"'
        items = [] if is_empty_between and number % 2 else CIRCLES[form](number // 2 if is_empty_between else number)
        return page(items, [("Link", url)])

    requests = count()

    def counted(request: web.Request, number: int) -> web.Response:
        assert next(requests) < 30
        return answer(request, number)

    with pytest.raises(UnansweredError, match="repeats itself"):
        use_answers(counted, listing())


def test_a_page_that_comes_again_without_a_next_link_is_an_error() -> None:
    def answer(request: web.Request, number: int) -> web.Response:
        url = f'<{request.url.origin()}{request.path}?cursor=2>; rel="next"'
        return page(ALL[:100], [] if number else [("Link", url)])

    with pytest.raises(UnansweredError, match="repeats itself"):
        use_answers(answer, listing(probe=False))


def test_a_last_page_that_only_overlaps_is_the_end() -> None:
    def answer(request: web.Request, number: int) -> web.Response:
        url = f'<{request.url.origin()}{request.path}?cursor=2>; rel="next"'
        return page(ALL[99:100] if number else ALL[:100], [] if number else [("Link", url)])

    items, _ = use_answers(answer, listing(probe=False))
    assert len(items) == 101


@pytest.mark.parametrize("junk", [[None], ["text", 7], [{}], [{"id": ""}]])
def test_items_without_an_id_come_out_as_they_are_and_end(junk: list[Any]) -> None:
    items, asked = use_answers(lambda request, _: page(junk if start_of(request) < len(junk) else []), listing())
    assert (items, len(asked)) == (junk, 2)
    items, asked = use_answers(lambda *_: page(junk), listing())
    assert (items, len(asked)) == (junk, 2)


@pytest.mark.attack("token")
@pytest.mark.parametrize(
    ("target", "origin"),
    [
        ("https://{host}:{port}/v1/workspaces?start=1", r"https://127\.0\.0\.1:\d+"),
        ("http://{host}:1/v1/workspaces?start=1", r"http://127\.0\.0\.1:1"),
        ("http://{host}/v1/workspaces?start=1", r"http://127\.0\.0\.1"),
        ("ftp://{host}:{port}/v1", r"ftp://127\.0\.0\.1:\d+"),
    ],
)
def test_a_link_to_another_origin_of_the_same_host_says_what_differs(target: str, origin: str) -> None:
    def answer(request: web.Request, _: int) -> web.Response:
        return page(ALL[:1], [("Link", f'<{target.format(host=request.url.host, port=request.url.port)}>; rel="next"')])

    with pytest.raises(
        ForeignLinkError,
        match=rf"leads to {origin}: the token was not sent there \(it goes to http://127.0.0.1:\d+ only",
    ):
        use_answers(answer, listing())


def test_pages_of_items_without_an_id_end_in_an_error() -> None:
    def answer(request: web.Request, number: int) -> web.Response:
        url = f'<{request.url.origin()}{request.path}?cursor={number}>; rel="next"'
        return page([None], [("Link", url)])

    with pytest.raises(StoppedError, match="repeats itself"):
        use_answers(answer, listing())


@given(st.lists(st.lists(st.text(max_size=5), max_size=10), max_size=10))
def test_an_id_is_new_once(batches: list[list[str]]) -> None:
    known: set[str] = set()
    with SeenIds() as seen:
        for batch in batches:
            assert seen.add(batch) == len(set(batch) - known)
            known |= set(batch)
