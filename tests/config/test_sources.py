import os
import re
import tomllib
from pathlib import Path

import msgspec
import platformdirs
import pytest

from audit.config import FLAGS, Settings, keys, load, variables
from audit.errors import UsageError

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def test_the_example_names_every_key_with_its_default() -> None:
    assert load(str(EXAMPLE), {}, {}) == Settings()
    text = EXAMPLE.read_text()
    told = {f"{section}.{name}" for section, body in tomllib.loads(text).items() for name in body}
    told |= {key for key in keys() if f"\n# {key.partition('.')[2]} = " in text}
    assert told == set(keys())
    for key, flag in FLAGS.items():
        assert f"(--{flag})" in text, key


def test_the_example_still_loads_with_its_comments_removed(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") if " = " in line else line for line in EXAMPLE.read_text().splitlines()]
    file = tmp_path / "config.toml"
    file.write_text("\n".join(lines))
    settings = load(str(file), {}, {})
    assert settings.webex.token_file == "~/.config/webex-audit/token"


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[pace]\nmax_rate = 1.5\nconcurrency = 2\n[webex]\ntimeout_s = 3\n")
    environment = {"WEBEX_AUDIT_CONFIG": str(file), "WEBEX_AUDIT_MAX_RATE": "20", "WEBEX_AUDIT_CONCURRENCY": "21"}
    settings = load(None, environment, {"pace.max_rate": 30.0, "pace.concurrency": None})
    assert (settings.pace.max_rate, settings.pace.concurrency) == (30.0, 21)
    assert (settings.webex.timeout_s, settings.retry.attempts) == (3.0, 6)


@pytest.mark.parametrize(
    ("short", "long", "values"),
    [
        ("OUTPUT", "OUTPUT_PATH", ("folder-1", "folder-2")),
        ("EXCLUDE_ORG", "SCOPE_EXCLUDE_ORGS", (f"{1:036}", f"{2:036}")),
        ("TOKEN_FILE", "WEBEX_TOKEN_FILE", ("/a/s3cret", "/b/s3cret")),
        ("ALL_ORGS", "SCOPE_ALL_ORGS", ("true", "false")),
    ],
)
def test_two_variables_of_a_key_with_two_values_are_refused(short: str, long: str, values: tuple[str, str]) -> None:
    names = (f"WEBEX_AUDIT_{short}", f"WEBEX_AUDIT_{long}")
    with pytest.raises(UsageError, match=f"{names[0]} and {names[1]} are the same key, with two values") as caught:
        load(None, dict(zip(names, values, strict=True)), {})
    assert values[0] not in str(caught.value)
    same = values[0]
    assert load(None, dict.fromkeys(names, same), {}) == load(None, {names[0]: same}, {})


def test_the_users_own_file_is_read_where_none_is_named(tmp_path: Path) -> None:
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "webex-audit"
    assert load(None, {}, {}) == Settings()
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[output]\npath = 'mine'\n")
    assert load(None, {}, {}).output.path == "mine"


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("WEBEX_AUDIT_WEBEX_TIMEOUT_S", "7.5", "webex.timeout_s", 7.5),
        ("WEBEX_AUDIT_FORMAT", "csv, parquet", "output.formats", ["csv", "parquet"]),
        ("WEBEX_AUDIT_OUTPUT_FORMATS", "csv", "output.formats", ["csv"]),
        ("WEBEX_AUDIT_ALLOW_PARTIAL", "true", "output.allow_partial", True),
        ("WEBEX_AUDIT_OUTPUT", "there", "output.path", "there"),
        ("WEBEX_AUDIT_LOG_FORMAT", "json", "log.format", "json"),
    ],
)
def test_every_key_is_an_environment_variable(variable: str, value: str, key: str, expected: object) -> None:
    section, name = key.split(".")
    assert msgspec.to_builtins(load(None, {variable: value}, {}))[section][name] == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\n\r\n"])
def test_a_file_is_read_as_any_editor_writes_it(tmp_path: Path, encoding: str, end: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(f"[pace]{end}max_rate = 5{end}[output]{end}path = 'Prüfung'{end}".encode(encoding))
    settings = load(str(file), {}, {})
    assert (settings.pace.max_rate, settings.output.path) == (5, "Prüfung")


def test_a_variable_from_a_file_with_crlf_is_read_without_it() -> None:
    variables = {
        "WEBEX_AUDIT_PACE_MAX_RATE": "5\r",
        "WEBEX_AUDIT_WEBEX_TOKEN_FILE": "/run/token\r\n",
        "WEBEX_AUDIT_OUTPUT_FORMATS": "\ufeffcsv\r",
    }
    settings = load(os.devnull, variables, {})
    assert (settings.pace.max_rate, settings.webex.token_file, settings.output.formats) == (5, "/run/token", ["csv"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[pace]\nmax_rte = 5", r"unknown key pace\.max_rte; did you mean pace\.max_rate\?"),
        ("[pase]\nmax_rate = 5", r"unknown key pase\.max_rate; did you mean pace\.max_rate\?"),
        ("max_rate = 5", r"max_rate is outside of any section; did you mean pace\.max_rate\?"),
        ("[zzz]\nqqq = 5", r"unknown key zzz\.qqq; config\.example\.toml lists all keys"),
        ("[pace]\nmax_rate = 'fast'", r"pace\.max_rate = 'fast': expected a number$"),
        ("[pace]\nmax_rate = 0", r"pace\.max_rate = 0: must be more than 0$"),
        ("[pace]\nconcurrency = 1.5", r"pace\.concurrency = 1\.5: expected a whole number$"),
        (
            "[output]\nformats = []",
            r"output\.formats = \[\]: must not be empty: expected a list, such as \[\"parquet\", \"csv\"\]$",
        ),
        ("[output]\nformats = ['xml']", r"output\.formats = \['xml'\]: 'xml' is none of parquet, csv$"),
        (
            "[scope]\nentities = ['room']",
            r"scope\.entities = \['room'\]: 'room' is none of workspace, person, virtual-line$",
        ),
        (
            "[scope]\nentities = 'workspace'",
            r"scope\.entities = 'workspace': expected a list, such as \[\"workspace\"\]$",
        ),
        ("[scope]\nsites = 'a'", r"scope\.sites = 'a': expected a list, such as \[\"example\.webex\.com\"\]$"),
        (
            "[scope]\nsites = [1]",
            r"scope\.sites = \[1\]: expected texts in quotes, such as \[\"example\.webex\.com\"\]$",
        ),
        ("[scope]\norg_ids = 'a'", r"scope\.org_ids = 'a': expected a list, such as \[\"[1-5-]{36}\"\]$"),
        ("[check]\nallowed_domains = 'a'", r"allowed_domains = 'a': expected a list, such as \[\"example\.com\"\]$"),
        ("[scope]\nall_orgs = 1", r"scope\.all_orgs = 1: expected true or false$"),
        ("[output]\npath = 1", r"output\.path = 1: expected a text in quotes$"),
        ("[pace]\nshare = 2", r"pace\.share = 2: must be at most 1$"),
        ("[pace]\nmax_rate = nan", r"pace\.max_rate = nan: expected a number$"),
        ("[pace]\nconcurrency = 0", r"pace\.concurrency = 0: must be at least 1$"),
        ("[run]\nengine = 'spark'", r"run\.engine = 'spark': 'spark' is none of local, dask$"),
        ("[run]\ndeadline = '5'", r"run\.deadline = '5': expected a time such as 45m or 1h30m$"),
        ("[run]\ndeadline = 5", r"run\.deadline = 5: expected a time in quotes, such as \"45m\" or \"1h30m\"$"),
        ("[check]\ntimeout = '5 minutes'", r"check\.timeout = '5 minutes': expected a time such as 45m or 1h30m$"),
        ("[run]\nresume_within = ''", r"run\.resume_within is empty: leave it out, or give it a value$"),
        ("[pace]\nconcurrency = true", r"pace\.concurrency = true: expected a whole number$"),
        ("[webex]\ntimeout_s = 0", r"webex\.timeout_s = 0: must be more than 0$"),
        ("[notify]\nnames = 'no'", r"notify\.names = \(not shown\): expected true or false$"),
        ("[webex]\nbearer_token = 'x'", r"webex\.bearer_token: the token never stands .*: use webex\.token_file$"),
        ("[webex]\npassword = 'x'", r"webex\.password: the token never stands .*: use webex\.token_file$"),
        ("token = 'x'", r"token: the token never stands in the configuration: use webex\.token_file$"),
        ("[webex]\nrefresh_token = 'x'", r"the refresh token never stands .*: use webex\.refresh_token_file$"),
        ("[notify]\nurl = 'x'", r"notify\.url: the URL never stands in the configuration: use notify\.urls_file$"),
        ("[sign]\nkey = 'x'", r"sign\.key: the key never stands in the configuration: use sign\.key_file$"),
        ("[webex]\ntoken_fil = 'x'", r"unknown key webex\.token_fil; did you mean webex\.token_file\?$"),
        ("[webex]\naccess_token = 'x'", r"webex\.access_token: the token never stands .*: use webex\.token_file$"),
        ("[webex]\nclient_secret = 'x'", r"the client secret never stands .*: use webex\.client_secret_file$"),
        ("[webex]\nbase_url = 'http://webexapis.com/v1'", r"must be https"),
        ("[webex]\nbase_url = 'webexapis.com'", r"expected a URL such as https://webexapis\.com/v1"),
        ("[webex]\nbase_url = 'https://user@webexapis.com'", r"expected a URL"),
        ("[webex]\nbase_url = 'https://webexapis.com:port'", r"expected a URL"),
        ("[webex", r"is not TOML"),
    ],
)
def test_a_bad_file_is_told_in_one_line_with_its_place(tmp_path: Path, content: str, complaint: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(content)
    with pytest.raises(UsageError, match=complaint) as caught:
        load(str(file), {}, {})
    assert "\n" not in str(caught.value)
    assert "base_url" in str(caught.value) or str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("PROFLE", "PROFILE"),
        ("CONFG", "CONFIG"),
        ("PROFILES", "PROFILE"),
        ("OUTPUT_PTH", "OUTPUT_PATH"),
        ("EXCLUDE_ORGS", "EXCLUDE_ORG"),
        ("NOTIFY_URL_FILE", "NOTIFY_URLS_FILE"),
        ("RETRY_ATEMPTS", "RETRY_ATTEMPTS"),
        ("REFRESH_TOKEN_FILE", "WEBEX_REFRESH_TOKEN_FILE"),
        ("QUIET", None),
        ("FOO", None),
        ("VERBOSE", None),
        ("XQZW", None),
    ],
)
def test_an_unknown_variable_suggests_what_is_similar_and_nothing_else(variable: str, nearest: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        load(None, {f"WEBEX_AUDIT_{variable}": "x"}, {})
    end = f"did you mean WEBEX_AUDIT_{nearest}?" if nearest else "docs/configuration.md lists all variables"
    assert str(caught.value) == f"environment: unknown variable WEBEX_AUDIT_{variable}; {end}"


@pytest.mark.parametrize("key", ["check.timeout", "run.deadline"])
@pytest.mark.parametrize("none", ["0s", "0m", "0h0m", "0.0d"])
def test_no_time_at_all_is_not_a_limit(key: str, none: str) -> None:
    with pytest.raises(UsageError, match="expected a time such as 45m or 1h30m"):
        load(None, {}, {key: none})
    assert load(None, {}, {key: "0.5s"})
    assert load(None, {}, {key: "0h10m"})
    assert load(None, {"WEBEX_AUDIT_RUN_RESUME_WITHIN": none}, {}).run.resume_within_s == 0


def test_a_bad_variable_or_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown variable WEBEX_AUDIT_MAX_RTE; did you mean WEBEX_AUDIT_MAX_RATE"):
        load(None, {"WEBEX_AUDIT_MAX_RTE": "5"}, {})
    with pytest.raises(
        UsageError, match=r"environment variable WEBEX_AUDIT_CONCURRENCY = 'many': expected a whole number$"
    ):
        load(None, {"WEBEX_AUDIT_CONCURRENCY": "many"}, {})
    with pytest.raises(UsageError, match="No such file"):
        load(str(tmp_path / "absent.toml"), {}, {})


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("WEBEX_AUDIT_TOKEN", "x", r"WEBEX_AUDIT_TOKEN: the token itself is read from WEBEX_ACCESS_TOKEN$"),
        ("WEBEX_AUDIT_ACCESS_TOKEN", "x", r"the token itself is read from WEBEX_ACCESS_TOKEN$"),
        ("WEBEX_AUDIT_WEBEX_ACCESS_TOKEN", "x", r"the token itself is read from WEBEX_ACCESS_TOKEN$"),
        ("WEBEX_AUDIT_CLIENT_SECRET", "x", r"the client secret never stands .*: use webex\.client_secret_file$"),
        ("WEBEX_AUDIT_NOTIFY_URL", "x", r"the URL never stands in the configuration: use notify\.urls_file$"),
        ("WEBEX_AUDIT_FORMAT", "", r"variable WEBEX_AUDIT_FORMAT is empty: unset it, or give it a value$"),
        ("WEBEX_AUDIT_ORG_ID", " ", r"variable WEBEX_AUDIT_ORG_ID is empty: unset it, or give it a value$"),
        ("WEBEX_AUDIT_DATASET", "", r"variable WEBEX_AUDIT_DATASET is empty: unset it, or give it a value$"),
    ],
)
def test_a_variable_that_cannot_be_used_says_what_to_do(variable: str, value: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        load(os.devnull, {variable: value}, {})


@pytest.mark.parametrize("url", ["http://webexapis.com/v1", "webexapis.com", "https://user@webexapis.com"])
def test_a_fault_of_the_base_url_names_what_the_user_typed(tmp_path: Path, url: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[webex]\nbase_url = '{url}'")
    for environment, flags, source in (
        ({}, {}, f"{file}: webex.base_url"),
        ({"WEBEX_AUDIT_BASE_URL": url}, {}, "environment variable WEBEX_AUDIT_BASE_URL"),
        ({"WEBEX_AUDIT_WEBEX_BASE_URL": url}, {}, "environment variable WEBEX_AUDIT_WEBEX_BASE_URL"),
        ({}, {"webex.base_url": url}, "--base-url"),
    ):
        with pytest.raises(UsageError) as caught:
            load(str(file), environment, flags)
        assert str(caught.value).startswith(source)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/v1", "http://localhost/v1", "http://[::1]:1/", "https://api-usgov.webex.com/v1"]
)
def test_https_or_this_machine_is_taken(url: str) -> None:
    assert load(None, {}, {"webex.base_url": url}).webex.base_url == url


def test_a_user_without_a_home_has_no_file_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> str:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(platformdirs, "user_config_dir", refuse)
    assert load(None, {}, {}) == Settings()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45m", 2700), ("1h30m", 5400), ("2d", 172_800), ("0.5h", 1800)]
)
def test_a_deadline_is_read_in_the_units_of_people(text: str, seconds: float) -> None:
    assert load(None, {"WEBEX_AUDIT_DEADLINE": text}, {}).run.deadline_s == seconds
    assert load(None, {}, {}).run.deadline_s == float("inf")


@pytest.mark.attack("redaction")
def test_a_password_in_a_url_is_not_echoed() -> None:
    with pytest.raises(UsageError) as caught:
        load(None, {}, {"webex.base_url": "https://user:hunter2@webexapis.com/v1"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", keys())
@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_value_is_refused_wherever_it_stands(key: str, empty: str, tmp_path: Path) -> None:
    section, name = key.split(".")
    file = tmp_path / "config.toml"
    file.write_text(f"[{section}]\n{name} = '{empty}'\n")
    with pytest.raises(UsageError, match=rf": {re.escape(key)} is empty: leave it out, or give it a value$"):
        load(str(file), {}, {})
    variable = next(each for each, of in variables().items() if of == key)
    with pytest.raises(UsageError, match=f"{variable} is empty: unset it, or give it a value$"):
        load(None, {variable: empty}, {})
    if key in FLAGS:
        with pytest.raises(UsageError, match=f"--{FLAGS[key]} is empty: leave it out, or give it a value$"):
            load(None, {}, {key: empty})
