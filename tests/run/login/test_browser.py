"""A login in a browser, against the simulator's pages over real HTTP."""

import logging
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import Page, fetch, redirected, signed_in
from harness import run_virtually
from signing_in import SCOPES, free_port, in_a_browser, raw, with_desk, with_query

from audit.config import Profile, read_login
from audit.errors import RefusedError, StoppedError, UsageError
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.threads import in_thread
from audit.webex.redirect import Code, Denied, Redirect

OWN = Organization(4, people=2, odd=False)


def simulation(faults: str = "", secret: str | None = None) -> Simulation:
    return Simulation(OWN, parse(faults), client_secret=secret)


def token_file(profile: str = "default") -> Path:
    folder = Profile(profile).login_folder
    assert folder
    return folder / "refresh-token"


def test_a_login_stores_what_a_run_needs_for_this_user_only(tmp_path: Path) -> None:
    login = with_desk(simulation(secret="cl13nt-s3cret"), tmp_path, in_a_browser())
    assert token_file().read_text().startswith("simulated-refresh-token-")
    assert stat.S_IMODE(token_file().stat().st_mode) == 0o600
    assert login == read_login(Profile())
    assert (login.scopes, login.missing_scopes) == (sorted(SCOPES), [])
    assert login.person == f"{OWN.person(0)['displayName']} <{OWN.person(0)['emails'][0]}>"
    assert login.refresh_until
    assert (login.refresh_until - login.signed_in_at).days == 90
    assert {path.name for path in token_file().parent.iterdir()} == {".lock", "login.json", "refresh-token"}


def test_the_page_is_asked_for_these_scopes_with_a_challenge_and_a_fresh_state(tmp_path: Path) -> None:
    asked: list[dict[str, list[str]]] = []

    def note(url: str) -> None:
        asked.append(parse_qs(urlsplit(url).query))
        signed_in(url)

    port = free_port()
    for _ in range(2):
        with_desk(simulation(), tmp_path, in_a_browser(note), replaces=True, port=port)
    assert [each["scope"] for each in asked] == [[" ".join(SCOPES)]] * 2
    assert [each["redirect_uri"] for each in asked] == [[f"http://127.0.0.1:{port}/callback"]] * 2
    assert [each["code_challenge_method"] for each in asked] == [["S256"]] * 2
    assert len({each["state"][0] for each in asked} | {each["code_challenge"][0] for each in asked}) == 4
    assert all("secret" not in str(each) for each in asked)


def test_the_last_page_says_what_is_next_and_holds_no_secret(tmp_path: Path) -> None:
    pages: list[tuple[str, Page]] = []

    def act(url: str) -> None:
        answer = redirected(url)
        pages.append((answer, fetch(answer)))

    with_desk(simulation(), tmp_path, in_a_browser(act))
    ((url, page),) = pages
    assert page.status == 200
    assert "Go back to your terminal" in page.text
    for secret in (values[0] for values in parse_qs(urlsplit(url).query).values()):
        assert secret not in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_did_not_arrive_is_sent_again(tmp_path: Path, times: int) -> None:
    faults = ",".join(f"token-{kind}@{place}" for place, kind in enumerate(["503", "429", "reset"][:times], 1))
    assert with_desk(simulation(faults), tmp_path, in_a_browser()).scopes


@pytest.mark.parametrize("faults", ["token-503=1!", "token-html=1!", "token-unusable=1!", "token-404=1!"])
def test_a_login_without_a_usable_grant_stores_nothing(tmp_path: Path, faults: str) -> None:
    with pytest.raises(StoppedError, match="gives no access token"):
        with_desk(simulation(faults), tmp_path, in_a_browser())
    assert read_login(Profile()) is None
    assert not token_file().exists()


def test_nobody_who_signs_in_within_ten_minutes_is_an_error_that_names_the_redirect_uri(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(StoppedError, match=rf"within 10 minutes.*http://127.0.0.1:{port}/callback"):
        with_desk(simulation(), tmp_path, in_a_browser(lambda _: None), port=port)


def test_a_person_who_declines_ends_the_login(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="access was denied in the browser"):
        with_desk(simulation(), tmp_path, in_a_browser(lambda url: signed_in(url, "decline")))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("access_denied", "access was denied"),
        ("invalid_scope", "not registered with all of these scopes"),
        ("temporarily_unavailable", "try again later"),
        ("unauthorized_client", "unauthorized_client"),
    ],
)
def test_each_error_of_the_page_has_a_sentence(tmp_path: Path, error: str, said: str) -> None:
    def act(url: str) -> None:
        fetch(with_query(redirected(url), code=None, error=error))

    with pytest.raises(RefusedError, match=said):
        with_desk(simulation(), tmp_path, in_a_browser(act))


def test_fewer_scopes_than_asked_for_are_recorded(tmp_path: Path) -> None:
    login = with_desk(simulation("login-fewer-scopes"), tmp_path, in_a_browser())
    assert (login.scopes, login.missing_scopes) == (["spark-admin:workspaces_read"], ["spark:people_read"])
    assert login.person is None


def test_a_grant_that_does_not_say_its_scopes_is_recorded_as_unknown(tmp_path: Path) -> None:
    login = with_desk(simulation("login-no-scope"), tmp_path, in_a_browser())
    assert (login.scopes, login.missing_scopes) == (None, [])


def test_a_grant_without_a_refresh_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no refresh token"):
        with_desk(simulation("login-no-refresh"), tmp_path, in_a_browser())


def test_a_wrong_client_secret_is_named_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"client id or its secret is refused .*client-secret"):
        with_desk(simulation(secret="another"), tmp_path, in_a_browser())


def test_a_port_in_use_is_one_line_that_says_what_to_register(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} of 127.0.0.1 can't be served .*--port.*register http://"):
            with_desk(simulation(), tmp_path, in_a_browser(), port=port)


# What is not the answer to this login changes nothing: each of these is followed by the true answer.

FORGED: dict[str, Callable[[str], Page]] = {
    "another state": lambda url: fetch(with_query(url, state="forged", code="forged")),
    "no state": lambda url: fetch(with_query(url, state=None, code="forged")),
    "an error without the state": lambda url: fetch(with_query(url, state="x", code=None, error="access_denied")),
    "two states": lambda url: fetch(f"{url}&state=forged"),
    "two codes": lambda url: fetch(f"{url}&code=forged"),
    "a code and an error": lambda url: fetch(f"{url}&error=access_denied"),
    "an endless code": lambda url: fetch(with_query(url, code="x" * 5000)),
    "a code with a line end": lambda url: fetch(with_query(url, code="a\nb")),
    "another path": lambda url: fetch(url.replace("/callback?", "/callback/x?")),
    "a form": lambda url: fetch(url, {"code": "forged"}),
    "a foreign host": lambda url: raw(url, host="evil.example"),
    "a foreign host with this port": lambda url: raw(url, host=f"evil.example:{urlsplit(url).port}"),
    "localhost": lambda url: raw(url, host=f"localhost:{urlsplit(url).port}"),
    "an empty host": lambda url: raw(url, host=""),
    "another method": lambda url: raw(url, method="HEAD"),
}


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_redirect_neither_ends_a_login_nor_brings_a_code(tmp_path: Path, kind: str) -> None:
    pages: list[Page] = []

    def act(url: str) -> None:
        answer = redirected(url)
        pages.append(FORGED[kind](answer))
        assert fetch(answer).status == 200

    made = simulation()
    login = with_desk(made, tmp_path, in_a_browser(act))
    assert pages[0].status in {400, 404, 405, 421}
    assert "forged" not in pages[0].text
    assert login.scopes == sorted(SCOPES)
    assert [line for line in made.log if line.startswith("POST /v1/access_token")] == ["POST /v1/access_token"]


@pytest.mark.attack("planted links and files")
def test_a_code_of_another_login_is_refused_by_its_proof(tmp_path: Path) -> None:
    def act(url: str) -> None:
        other = redirected(with_query(url, code_challenge="a" * 43, state="other"))
        fetch(with_query(redirected(url), code=parse_qs(urlsplit(other).query)["code"][0]))

    with pytest.raises(RefusedError, match="code verifier does not match"):
        with_desk(simulation(), tmp_path, in_a_browser(act))


def test_a_second_answer_changes_nothing() -> None:
    async def main() -> tuple[list[int], Code | Denied]:
        redirect = Redirect(free_port(), "st4te")
        async with redirect.listening():
            urls = [
                f"{redirect.uri}?state=st4te&{rest}" for rest in ("code=first", "code=second", "error=access_denied")
            ]
            pages = [await in_thread(fetch, url) for url in urls]
            return [page.status for page in pages], await redirect.answer()

    assert run_virtually(main()) == ([200, 409, 409], Code("first"))


@pytest.mark.attack("spreadsheets and terminals")
def test_an_error_of_the_page_reaches_neither_page_nor_terminal(tmp_path: Path) -> None:
    pages: list[Page] = []
    with pytest.raises(RefusedError) as caught:
        with_desk(simulation("login-hostile-error"), tmp_path, in_a_browser(lambda url: pages.append(signed_in(url))))
    assert str(caught.value) == "Webex has refused (for no known reason)"
    assert "script" not in pages[0].text
    assert pages[0].text.isascii()


def test_slow_and_silent_clients_do_not_hold_up_the_answer(tmp_path: Path) -> None:
    def act(url: str) -> None:
        answer = redirected(url)
        port = urlsplit(answer).port
        assert port
        idle = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(20)]
        for each in idle[10:]:
            each.sendall(b"GET /callback?state=")
        idle[0].sendall(b"\x16\x03\x01 this is TLS, or rubbish\r\n\r\n")
        assert fetch(answer).status == 200
        for each in idle:
            each.close()

    assert with_desk(simulation(), tmp_path, in_a_browser(act)).scopes


def test_a_login_of_a_person_who_is_not_known_overwrites_no_other(tmp_path: Path) -> None:
    first = with_desk(simulation(), tmp_path, in_a_browser())
    before = token_file()
    held = before.read_text()
    with pytest.raises(UsageError, match=r"^a person whose name is not known has signed in, but profile default is of"):
        with_desk(simulation("login-fewer-scopes"), tmp_path, in_a_browser(), at=first.base_url)
    assert before.read_text() == held
    with_desk(simulation("login-fewer-scopes"), tmp_path, in_a_browser(), at=first.base_url, replaces=True)
    assert before.read_text() != held


def test_rubbish_leaves_no_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def act(url: str) -> None:
        answer = redirected(url)
        with socket.create_connection(("127.0.0.1", urlsplit(answer).port or 0), timeout=20) as client:
            client.sendall(b"GET /\x1b[2J HTTP/9.9\r\nHost: \x00\r\n\r\n")
            client.recv(1000)
        fetch(answer)

    with caplog.at_level(logging.INFO):
        with_desk(simulation(), tmp_path, in_a_browser(act))
    assert "\x1b" not in caplog.text
    assert "Error handling request" not in caplog.text
