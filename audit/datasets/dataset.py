"""The type of a dataset: data and a few functions. Each dataset has a module of its own."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import pyarrow as pa

from audit.columns import IDENTITY_SCHEMA, column
from audit.entity import Entity, EntityType

#: The entity of an answer, as `Dataset.flatten` gets it.
SUBJECT_SCHEMA = pa.schema(
    [
        *IDENTITY_SCHEMA,
        column("email", pa.string(), "first of `emails` of `GET /people`", "the token's own user, whose can't be read"),
        column("site_url", pa.string(), "`siteUrl` of `GET /meetingPreferences/sites`", "settings are not of a site"),
    ]
)


@dataclass(frozen=True)
class Request:
    """A read: the path (percent-encoded, below the base URL) and the query."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ByUser:
    """How to read settings that are addressed by a user's email address and a meeting site, without an organization.

    Attributes:
        own_scope: the scope that reading the caller's own settings needs.
        sites: gives the request for a user's sites, which goes to a site (None for the default one).
        read_sites: gives the URLs in the answer. Raises ValueError if it holds no list of them.
    """

    own_scope: str
    sites: Callable[[Entity, str | None], Request]
    read_sites: Callable[[bytes], list[str]]


@dataclass(frozen=True)
class Dataset:
    """One kind of settings.

    Attributes:
        name: an identifier such as `push_to_talk`; the command line has `-` for `_`.
        scopes: the kinds of entity that have these settings, each with the scope that a read needs.
        request: gives the request for an entity's settings, at a meeting site if they are `by_user`.
        answer: the schema of an answer, as far as the tables need it.
        required: the fields that every valid answer has.
        tables: the schemas of the tables.
        flatten: turns the entities of answers (`SUBJECT_SCHEMA`) and the answers themselves (`answer`), row by row,
            into the tables.
        by_user: set if the settings are addressed by email address.
        censor: removes secrets from an answer, before any other code sees it.
        is_new: the API of an organization may not have these settings yet (`audit.crawl.offer`).
        other_paths: by kind of entity, a second path (with `{}` for the id) for an API that does not know the first.
    """

    name: str
    scopes: Mapping[EntityType, str]
    request: Callable[[Entity, str | None], Request]
    answer: pa.Schema
    required: tuple[str, ...]
    tables: Mapping[str, pa.Schema]
    flatten: Callable[[pa.Table, pa.Table], dict[str, pa.Table]]
    by_user: ByUser | None = None
    censor: Callable[[bytes], bytes] | None = None
    is_new: bool = False
    other_paths: Mapping[EntityType, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no run could use.

        Raises:
            ValueError: a name is not an identifier, or the dataset has no kind of entity.
        """
        for name in (self.name, *self.tables):
            if not name.isidentifier():
                raise ValueError(f"dataset {self.name!r}: {name!r} is not a name such as push_to_talk (SQL uses it)")
        if not self.scopes:
            raise ValueError(f"dataset {self.name!r}: scopes names no kind of entity")


def site_of(text: str) -> str:
    """The host name of a meeting site, given as a host name or a URL.

    Raises:
        ValueError: the text holds no host name.
    """
    name = re.sub(r"^https?://", "", text.strip().lower())
    name = re.split(r"[/#?]", name)[0]
    if "." not in name:
        raise ValueError(f"{text!r} is not a meeting site: expected a name such as example.webex.com")
    return name


def path_of(template: str, entity: Entity) -> str:
    """A path with an entity's id, percent-encoded, in place of `{}`, and its location's in place of `{location}`."""
    entity_id, location_id = (
        quote(text, safe="").replace(".", "%2E") for text in (entity.entity_id, entity.location_id or "")
    )
    return template.format(entity_id, location=location_id)
