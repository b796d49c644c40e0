"""No secret of the process survives in a text, however it is encoded there."""

import html
import json
import re
import time
import tracemalloc
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from audit import redaction
from audit.redaction import PLACEHOLDER, learn, learn_login, redact, redact_answer

pytestmark = pytest.mark.attack("redaction")

SECRET = "Q7/x+kZ9~pw=A4"


def every_percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def every_unicode(text: str) -> str:
    return json.dumps("".join(f"\\u{ord(char):04x}" for char in text))


#: Escapes a text as a server, a library or a language does.
ESCAPES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in upper case": str.upper,
    "in lower case": str.lower,
    "as a part of a URL": lambda text: quote(text, safe=""),
    "as a part of a URL in lower case": lambda text: re.sub(
        "%..", lambda found: found[0].lower(), quote(text, safe="")
    ),
    "as a field of a form": quote_plus,
    "percent-encoded wholly": every_percent,
    "in JSON": json.dumps,
    "in JSON with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "in JSON beyond ASCII": lambda text: json.dumps(text, ensure_ascii=False),
    "in HTML": html.escape,
    "in HTML by numbers": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "in HTML by hex": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "as repr": repr,
    "as repr of bytes": lambda text: repr(text.encode()),
    "as unicode_escape": lambda text: text.encode("unicode_escape").decode(),
    "with line ends": lambda text: "\n".join(re.findall(".{1,4}", text, re.DOTALL)),
}
#: Encodes a text so that its characters are no longer recognized.
CODES: dict[str, Callable[[bytes], str]] = {
    "base64": lambda data: b64encode(data).decode(),
    "base64 for URLs": lambda data: urlsafe_b64encode(data).decode(),
    "base64 without padding": lambda data: b64encode(data).decode().rstrip("="),
    "hex": bytes.hex,
    "hex in upper case": lambda data: data.hex().upper(),
}


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_a_secret_that_a_server_escapes_is_removed(escape: Callable[[str], str]) -> None:
    learn(SECRET)
    shown = redact(f"the API says: <{escape(SECRET)}> and more")
    assert PLACEHOLDER in shown
    assert shown.startswith("the API says: <")
    assert shown.endswith("> and more")
    assert not set(re.findall(r"\w{2,}", shown.lower())) & {"q7", "kz9", "pw", "a4"}


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
@pytest.mark.parametrize("before", ["", "u", "us", "svc-audit:"])
@pytest.mark.parametrize("after", ["", "!", "!!"])
def test_a_secret_within_base64_or_hex_is_removed_at_each_alignment(
    code: Callable[[bytes], str], before: str, after: str
) -> None:
    learn(SECRET)
    coded = code(f"{before}{SECRET}{after}".encode())
    shown = redact(f"Basic {coded}.")
    apart = f"Basic {before.encode().hex()}{PLACEHOLDER}{after.encode().hex()}."
    assert shown.lower() in (f"basic {PLACEHOLDER}.", apart.lower())


def test_a_login_is_removed_as_basic_authentication_sends_it_even_with_a_short_password() -> None:
    learn_login("svc-audit", "abc")
    header = f"Basic {b64encode(b'svc-audit:abc').decode()}"
    assert redact(header) == f"Basic {PLACEHOLDER}"
    assert redact("svc%2Daudit%3Aabc") == PLACEHOLDER
    assert redact("the user svc-audit, abcde") == "the user svc-audit, abcde"


def test_a_short_secret_does_not_make_holes_into_words() -> None:
    learn("abc")
    learn("room")
    assert redact("abc: roommate Room, classroom") == f"abc: roommate {PLACEHOLDER}, classroom"


@pytest.mark.parametrize("secret", ["secret", "[secret]", "ecre"])
def test_a_text_that_passes_twice_stays_as_it_is(secret: str) -> None:
    learn(secret)
    learn("another-one")
    shown = redact(f"{secret} another-one")
    assert redact(shown) == shown


def test_a_text_without_secrets_is_the_same_object() -> None:
    text = "100% of R&D \\ 50%25"
    assert redact(text) is text
    learn("another-one")
    assert redact(text) is text
    assert redact("") == ""


def test_an_answer_loses_what_the_api_got_and_keeps_names_that_are_the_password_of_a_proxy() -> None:
    learn("Praxis")
    learn("good-token", is_echoed=True)
    assert redact_answer(b'{"displayName": "Praxis Good-Token"}') == b'{"displayName": "Praxis [secret]"}'


@pytest.mark.parametrize("before", ["", "\\\\", "\\\\\\\\", "\\n", '\\"', "\\u00e9"])
def test_an_answer_stays_json(before: str) -> None:
    learn("n0t-a-word/", is_echoed=True)
    for escaped in ("n0t-a-word/", "n0t-a-word\\/", "\\u006e0t-a-word/"):
        body = redact_answer(f'{{"a": "{before}{escaped}"}}'.encode())
        assert PLACEHOLDER in json.loads(body)["a"]


def test_a_long_text_is_searched_to_its_end_in_bounded_time() -> None:
    learn(SECRET)
    long = "%25" * 300_000
    began_s = time.process_time()
    assert redact(f"{long}{every_percent(SECRET)}{long}") == f"{long}{PLACEHOLDER}{long}"
    assert time.process_time() - began_s < 20


def test_a_listing_of_escaped_names_is_searched_without_delay() -> None:
    learn(SECRET * 5, is_echoed=True)
    page = json.dumps(
        {"items": [{"id": "x" * 250, "displayName": "会議室の名前" + chr(0x4E00 + i)} for i in range(1000)]}
    )
    indented = json.dumps(json.loads(page), indent=2)
    began_s = time.process_time()
    for body in [page.encode(), indented.encode()] * 20:
        assert redact_answer(body) is body
    assert time.process_time() - began_s < 0.7


@pytest.mark.parametrize("around", [r"\u4f1a", r"\ud83d\ude00", r"\U0001F600", r"\xe9", r"\ud83d", r"\udce4", "会"])
@pytest.mark.parametrize("escape", ["\\u%04x", "\\U%08x", "\\x%02X", "%%%02x", "&#%d;"])
def test_a_secret_between_escapes_of_other_characters_is_removed(around: str, escape: str) -> None:
    learn("n0t/a-word", is_echoed=True)
    escaped = "".join(escape % ord(char) for char in "n0t/a-word")
    assert redact_answer(f"{around}{escaped}{around}".encode()).decode() == f"{around}{PLACEHOLDER}{around}"


def test_a_text_full_of_secrets_fills_no_memory() -> None:
    learn("n0t-a-word", is_echoed=True)
    tracemalloc.start()
    shown = redact_answer(b"n0t-a-word," * 1_500_000)
    assert tracemalloc.get_traced_memory()[1] < 60 << 20
    tracemalloc.stop()
    assert b"n0t" not in shown
    assert shown.startswith(b"[secret],[secret],")


def test_a_byte_that_is_not_text_is_kept() -> None:
    learn("p\udce4ssword")
    assert redact("\udcff p\udce4ssword \udcff") == f"\udcff {PLACEHOLDER} \udcff"
    assert redact("p%E4ssword \ud800") == f"{PLACEHOLDER} \ufffd"


escapes = st.lists(st.sampled_from([*ESCAPES.values()]), max_size=3)
secrets = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=8, max_size=40)
tokens = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=200)


@given(secrets | tokens, escapes, st.text(max_size=9), st.text(max_size=9))
@example("&amp;-pa/ss", [json.dumps], "&", "")
@example("000000\xa0\xa1", [repr], "", "")
@example("00000000", [ESCAPES["in HTML by numbers"], ESCAPES["with line ends"], json.dumps], "", "")
@example("n0t/a-word", [ESCAPES["in HTML by numbers"], ESCAPES["with line ends"], json.dumps, json.dumps], "", "")
@example("n0t/a-word", [quote_plus, ESCAPES["with line ends"], repr], "", "")
@example("000000\xa1\U00100000", [repr], "", "")
@example("000000\xa1\U00018cd6", [repr, str.lower], "", "")
@example("000000\xa1\U0001f600", [ESCAPES["as unicode_escape"], str.lower], "", "")
@example("000000\xa1\U0010ffff", [repr, json.dumps], "", "")
@example("n0t/a-word", [quote_plus, json.dumps], "\\", "")
def test_no_secret_survives_any_layers_of_escapes(
    secret: str, layers: list[Callable[[str], str]], before: str, after: str
) -> None:
    assume(secret.strip() == secret)
    redaction.forget_all()
    learn(secret)
    text = f"{before} {secret} {after}"
    for escape in layers:
        text = escape(text)
    shown = redact(f"<{text}>")
    assert PLACEHOLDER in shown
    assert redact(shown) == shown


@given(tokens, st.sampled_from([*CODES.values()]), st.binary(max_size=7), st.binary(max_size=7), escapes)
def test_no_secret_survives_a_code_within_escapes(
    secret: str, code: Callable[[bytes], str], before: bytes, after: bytes, layers: list[Callable[[str], str]]
) -> None:
    redaction.forget_all()
    learn(secret)
    text = code(before + secret.encode() + after)
    for escape in layers:
        text = escape(text)
    assert PLACEHOLDER in redact(f"<{text}>")


@given(st.text(), secrets)
def test_any_text_passes(text: str, secret: str) -> None:
    redaction.forget_all()
    learn(secret)
    shown = redact(text)
    assert secret not in shown or secret in PLACEHOLDER
    assert redact(shown) == shown
