"""What a dataset is: data and a few functions, in one file of its own."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import pyarrow as pa

from audit.columns import IDENTITY_SCHEMA, column
from audit.entity import Entity, EntityType

#: What `Dataset.flatten` is told of each answer's entity.
SUBJECT_SCHEMA = pa.schema(
    [
        *IDENTITY_SCHEMA,
        column("email", pa.string(), "first of `emails` of `GET /people`", "the token's own user, whose can't be read"),
        column("site_url", pa.string(), "`siteUrl` of `GET /meetingPreferences/sites`", "settings are not of a site"),
    ]
)


@dataclass(frozen=True)
class Request:
    """A read: its path, percent-encoded, below the base URL, and its query."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ByUser:
    """Settings that are addressed by a user's mail address, for each meeting site, and by no organization.

    Attributes:
        own_scope: what reading the caller's own needs.
        sites: the read of a user's sites, looked up by way of a site (None for the default one).
        read_sites: its answer → their URLs. Raises ValueError where it holds none.
    """

    own_scope: str
    sites: Callable[[Entity, str | None], Request]
    read_sites: Callable[[bytes], list[str]]


@dataclass(frozen=True)
class Dataset:
    """One kind of settings.

    Attributes:
        name: its name in tables; on the command line with `-` for `_`.
        scopes: the kinds of entity that have it, each with the scope that its read needs.
        request: the read of an entity's settings, of one site where they are `by_user`.
        answer: the schema of an answer, as far as the tables need it.
        required: the fields without which an answer is no answer.
        tables: the schemas of its tables.
        flatten: whose answers they are (`SUBJECT_SCHEMA`) and the answers (`answer`), row by row → its tables.
        by_user: set where the settings are addressed by mail address.
        censor: takes secrets out of an answer, before anything else sees it.
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


def site_of(text: str) -> str:
    """The name of a meeting site, however it is written.

    Raises:
        ValueError: there is none.
    """
    name = re.sub(r"^https?://", "", text.strip().lower())
    name = re.split(r"[/#?]", name)[0]
    if "." not in name:
        raise ValueError(f"{text!r} is no meeting site: expected one such as example.webex.com")
    return name


def path_of(template: str, entity: Entity) -> str:
    """A path with an entity's id in the place of `{}`, percent-encoded."""
    return template.format(quote(entity.entity_id, safe="").replace(".", "%2E"))
