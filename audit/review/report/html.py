"""The report as one HTML file that requests nothing and runs only its own script."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache, partial
from importlib import resources
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from audit import __version__
from audit.review import vocabulary
from audit.review.check.finding import CheckResult
from audit.review.control_hub import has_pages, page_of
from audit.review.diff.change import Change
from audit.review.diff.event import words_of_event
from audit.review.diff.events import notes_on_log
from audit.review.diff.views import total
from audit.review.report import charts, known, since, ways, wording
from audit.review.report.by_control import MAX_EXCEPTIONS
from audit.review.report.content import MAX_ORGS, Content, collect
from audit.snapshot.catalog import Approved, Snapshot
from audit.snapshot.context.admin_events import ADMIN_EVENTS
from audit.snapshot.layout import SNAPSHOT_ID
from audit.text import count_of, printable, without_id
from audit.untrusted.bounds import TEXT_BYTES

_SCRIPTS = ("fold.js", "report.js", "print.js", "search.js", "results.js")


def write_report(
    snapshot: Snapshot,
    checks: CheckResult | None,
    changes: Iterable[Change] | None,
    against: Snapshot | None,
    approved: Approved | None = None,
) -> str:
    """A snapshot as one self-contained HTML document.

    Args:
        snapshot: the snapshot.
        checks: the results of the rules, if they ran.
        changes: the differences from `against`; read once.
        against: an earlier snapshot.
        approved: the approved snapshot of the same scope.

    Raises:
        UsageError: a table has no Parquet, or one of its files is missing.
    """
    return render(collect(snapshot, checks, changes, against, approved))


def render(found: Content) -> str:
    """Render the document."""
    style = _source("report.css") + _running_header(found.manifest.snapshot_id)
    script = "".join(map(_source, _SCRIPTS))
    nouns = known.nouns(each.entity_type for each in found.kinds)
    read = found.answers.last or found.manifest.finished_at
    first = found.answers.first or read
    written = since.dates(found.before, read)
    return _template().render(
        found=found,
        manifest=found.manifest,
        org_names={org.org_id: org.name for org in found.manifest.orgs},
        read=read,
        before=written.date(written.before),
        now=written.date(read),
        written=written,
        moment=written.moment,
        first=first if first < found.manifest.started_at else read,
        gaps=wording.gaps(found.manifest),
        is_many=len(found.manifest.orgs) > 1,
        state=known.state(found),
        has_rooms=bool(found.reach and found.reach.room_total),
        has_settings=bool(found.reach and found.reach.settings_total),
        is_asked="push_to_talk" in found.manifest.scope.datasets or not found.manifest.scope.datasets,
        nouns=nouns,
        max_exceptions=MAX_EXCEPTIONS,
        changed_nouns=known.changed_nouns(found),
        totals=found.totals[:MAX_ORGS],
        policy=f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - likewise
        exposure_chart=charts.exposure_chart(found.reach, nouns[1]) if found.reach else "",
        index=Markup(found.index) if found.index else "",  # noqa: S704 - base64
        location_chart=charts.location_chart(found.reach, nouns[1]) if found.reach else "",
        coverage_chart=charts.coverage_chart(found.answers),
        version=__version__,
        has_pages=has_pages(found.manifest.base_url),
        page_of=partial(page_of, found.manifest.base_url),
        log_notes=notes_on_log(found.against, found.manifest) if found.against else [],
        has_events=found.against is not None and ADMIN_EVENTS in found.manifest.tables,
    )


def visible(text: object) -> object:
    """Text with control and bidirectional characters escaped; other values unchanged."""
    return text if not isinstance(text, str) or hasattr(text, "__html__") else printable(text)


def name(text: str | None, absent: str = "(no name)") -> Markup:
    """A name from outside: escaped, isolated from the text around it, with hidden characters marked."""
    if text is None or not text.strip():
        return Markup('<i class="absent">{}</i>').format(absent if text is None else f"{absent[:-1]}: blank)")
    # No run accepts a longer text, but anybody may have written the snapshot.
    shown = text if len(text) <= TEXT_BYTES else f"{text[:TEXT_BYTES]}…"
    return Markup("<bdi>{}</bdi>").format(Markup().join(_marked(shown)))


def _marked(text: str) -> Iterator[Markup]:
    for is_plain, chars in groupby(text, str.isprintable):
        if is_plain:
            yield escape("".join(chars))
        else:
            yield from map(_mark, chars)


def _mark(char: str) -> Markup:
    shown = printable(char)
    return escape(char) if shown == char else Markup('<span class="hidden-character">{}</span>').format(shown)


def _running_header(snapshot_id: str) -> str:
    """The style of the head of each printed page; anybody may have written the id."""
    name = snapshot_id if SNAPSHOT_ID.fullmatch(snapshot_id) else ""
    return f'@page {{ @top-left {{ content: "Webex audit · snapshot {name}"; }} }}\n'


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _source(file: str) -> str:
    return resources.files("audit.review.report").joinpath(file).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("audit.review.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "name": name,
        "day": wording.day,
        "minute": wording.minute,
        "counted": count_of,
        "grouped": lambda number: f"{number:,}",
    }
    environment.globals |= {"known": known, "sentences": wording, "since": since, "words": vocabulary, "ways": ways}
    environment.globals |= {"total": total, "without_id": without_id, "event_words": words_of_event}
    return environment.get_template("report.html.j2")
