"""`Link` headers: what RFC 8288 allows, and what servers send besides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.webex.link import BadLinkError, denies_end, is_readable, links, next_link, next_url

URL = "https://webexapis.com/v1/workspaces?max=1000&start=0"


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://h/v1/a?x=1>; rel="next"', "https://h/v1/a?x=1"),
        ('<https://h/a>;rel="next"', "https://h/a"),
        ("<https://h/a>; rel=next", "https://h/a"),
        ("<https://h/a>; rel = Next", "https://h/a"),
        ('<https://h/a>; REL="NEXT"', "https://h/a"),
        ("<https://h/a>; rel='next'", "https://h/a"),
        ("<https://h/a>; rel='prev next' ; type=x", "https://h/a"),
        ('< https://h/a >\t;\trel="next"', "https://h/a"),
        ('<https://h/a,b;c>; rel="first", <https://h/n>; title="x"; rel="next last"', "https://h/n"),
        ('<https://h/p?before&after=Y2>; rel="next"', "https://h/p?before&after=Y2"),
        ('<https://h/a>; title="a, b; rel=\'x\'"; rel="next"', "https://h/a"),
        (r'<https://h/a>; title="say \"rel=prev\", <x>; rel=\"last\""; rel="next"', "https://h/a"),
        (r'<https://h/a>; title="a backslash \\"; rel="next"', "https://h/a"),
        ("<https://h/a>; title*=UTF-8''a%2C%20b; rel=next", "https://h/a"),
        ('<https://h/l>; title="page;rel=next"; rel="last", <https://h/n>; rel="next"', "https://h/n"),
        ('<https://h/l>; title="<https://evil>; rel=next"; rel="last"', None),
        ('https://h/a?x=1; rel="next"', "https://h/a?x=1"),
        ('https://h/f; rel="first", https://h/n; rel="next"', "https://h/n"),
        ('https://h/f, <https://h/n>; rel="next"', "https://h/n"),
        (', ,<https://h/a>; rel="next",,', "https://h/a"),
        ('<https://h/a>;; ;rel="next";', "https://h/a"),
        ('<https://h/a> ; crossorigin; rel="next"', "https://h/a"),
        ('<https://h/a>; rel="prev"; rel="next"', None),
        ('<https://h/a>; rel="nextpage"', None),
        ('<https://h/other>; rel="next"; anchor="#elsewhere", <https://h/n>; rel=next', "https://h/n"),
        ("<https://h/" + "a" * 60_000 + '>; rel="next"', "https://h/" + "a" * 60_000),
        ('<https://h/a>; rel="next', "https://h/a"),
        ('<https://h/a; rel="next"', "https://h/a"),
        ('<https://h/p; rel="prev", <https://h/n>; rel="next"', "https://h/n"),
        ('/v1/p?start=2; rel="next"', "/v1/p?start=2"),
        ('&lt;https://h/a&gt;; rel="next"', None),
        ('"https://h/a"; rel="next"', None),
        ('page2; rel="next"', None),
        ("<https://h/a>; rel=\u201cnext\u201d", None),
        ('<https://h/a>; rel="prev"', None),
        ("nonsense", None),
        ("", None),
        (None, None),
    ],
)
def test_the_next_link_is_found(header: str | None, target: str | None) -> None:
    assert next_link(header) == target


TOKENS = st.text("abcxyz019-!*", min_size=1, max_size=8)
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
TARGETS = st.text("abc:/?&=,;'\"%.", min_size=1, max_size=20)
BLANKS = st.sampled_from(["", " ", "\t", "  "])


@st.composite
def parameters(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A list of parameters in some spelling that the RFC allows, and what it means."""
    spelled, meaning = "", {}
    for name, value in draw(st.lists(st.tuples(TOKENS, TOKENS | TEXTS), max_size=4)):
        escaped = "".join("\\" + char if char in '"\\' else char for char in value)
        is_token = draw(st.booleans()) and value != "" and all(char in "abcxyz019-!*" for char in value)
        sign = f"{draw(BLANKS)}={draw(BLANKS)}"
        spelled += f"{draw(BLANKS)};{draw(BLANKS)}{name}{sign}" + (value if is_token else f'"{escaped}"')
        meaning.setdefault(name.lower(), value)
    return spelled, meaning


@given(st.lists(st.tuples(TARGETS, parameters(), BLANKS), max_size=4))
def test_what_the_rfc_allows_is_read_as_it_was_meant(
    given_links: list[tuple[str, tuple[str, dict[str, str]], str]],
) -> None:
    header = ",".join(f"{blank}<{target}>{spelled}{blank}" for target, (spelled, _), blank in given_links)
    assert [(each.target, each.parameters) for each in links(header)] == [
        (target, meaning) for target, (_, meaning), _ in given_links
    ]


@pytest.mark.attack("memory")
@given(st.text() | st.text("<>\"'\\;,= arelnxt"))
def test_no_header_raises(header: str) -> None:
    assert all(isinstance(each.target, str) for each in links(header))
    assert isinstance(is_readable(header), bool)


@pytest.mark.attack("memory")
@pytest.mark.parametrize("piece", ["<", ">", '"', "'", ";", ",", "\\", " ", "<>;", '<a>;b="', "<a>;b='", ";a='b' c"])
def test_a_hostile_header_takes_no_time(piece: str) -> None:
    # 200,000 pieces took hours if each were looked at again for each other.
    assert next_link(piece * 200_000) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('<https://h/a>; rel="prev"', True),
        ("https://h/a; rel=first", True),
        ('nonsense, <https://h/a>; rel="last"', True),
        ("nonsense", False),
        ("<https://h/a>", False),
        ('<https://h/a>; title="rel=prev"', False),
        ("<https://h/a>; rel=\u201cnext\u201d", False),
        ('<https://h/a>; rel="\\"next\\""', False),
        ('<https://h/a>; rel="https://h/relations/peer"', True),
        ("", False),
    ],
)
def test_a_header_that_names_no_relation_is_not_readable(header: str, *, expected: bool) -> None:
    assert is_readable(header) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f'<{URL}>; rel="last"', False),
        ('<?max=1000&start=0>; rel="last"', False),
        ('<?max=1000&start=2000>; rel="last"', True),
        ('<https://h/p?page=1>; rel="first", <https://h/p?page=9>; rel=LAST', True),
        ('<https://h/p>; rel="prev"', False),
        ("nonsense", False),
    ],
)
def test_a_header_that_names_another_last_page_denies_the_end(header: str, *, expected: bool) -> None:
    assert denies_end(header, URL) is expected


@pytest.mark.parametrize(
    ("target", "params", "url"),
    [
        ("https://h/p?max=null&before&after=Y2%3D", {"max": "50"}, "https://h/p?max=50&before&after=Y2%3D"),
        ("https://h/p?max=null", {}, "https://h/p?"),
        ("https,https://h/p?a=1", {}, "https://h/p?a=1"),
        ("/v1/p?cursor=2", {}, "https://webexapis.com/v1/p?cursor=2"),
        ("?cursor=2", {}, "https://webexapis.com/v1/workspaces?cursor=2"),
        ("https://h/p?start=2", {"orgId": "Y2/="}, "https://h/p?start=2&orgId=Y2%2F%3D"),
        ("https://h/p", {"orgId": "Y"}, "https://h/p?orgId=Y"),
        ("https://h/p?orgId=Y", {"orgId": "Y"}, "https://h/p?orgId=Y"),
        ("https://h/p?name=Caf\u00e9 b", {}, "https://h/p?name=Caf%C3%A9%20b"),
        ("https://h/p?name=Caf\udce9", {}, "https://h/p?name=Caf%E9"),
        ("https://h/p?max=2&amp;cursor=b&amp;orgId=Y", {"orgId": "Y"}, "https://h/p?max=2&cursor=b&orgId=Y"),
        ("http://webexapis.com/v1/p?a=1", {}, "https://webexapis.com/v1/p?a=1"),
        ("http://webexapis.com:80/v1/p", {}, "https://webexapis.com/v1/p"),
        ("http://WebexAPIs.com/v1/p", {}, "https://webexapis.com/v1/p"),
        ("http://webexapis.com:8080/v1/p", {}, "http://webexapis.com:8080/v1/p"),
        ("http://h/p", {}, "http://h/p"),
    ],
)
def test_the_known_defects_of_next_urls_are_mended(target: str, params: dict[str, str], url: str) -> None:
    assert next_url(f'<{target}>; rel="next"', URL, params) == url


@pytest.mark.attack("token")
@pytest.mark.parametrize(
    "target", ["", "http://[", "http://x]/", "https://user:pass@h/p", "http://\u2100.com/", "\ud800"]
)
def test_a_next_link_that_is_not_a_url_is_refused(target: str) -> None:
    with pytest.raises(BadLinkError):
        next_url(f'<{target}>; rel="next"', URL, {})
