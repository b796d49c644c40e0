"""People: `GET /people`, with calling data if a calling license matters."""

from collections.abc import Mapping

from audit.entity import Entity, EntityType
from audit.inventory.listing import Json, Listing
from audit.inventory.names import NameListing
from audit.outcome import Outcome
from audit.untrusted.bounds import LICENSES_BYTES, NAME_CHARS, SITES
from audit.webex import wire

_SCOPE = "spark-admin:people_read"
#: The same id comes with and without padding.
LICENSES = NameListing(
    "/licenses",
    "spark-admin:licenses_read",
    "licenses can't be read, so people without a license are audited too",
    key=lambda license_id: license_id.rstrip("="),
    most_bytes=LICENSES_BYTES,
)


#: Parts of the names of licenses that may include Webex Calling, those of January 2026 among them (changelog of the
#: Webex API). "Webex Meetings Suite" and "Messaging" do not.
_CALLING_LICENSES = ("calling", "webex suite", "webex voice", "customer assist", "customer experience", "cx essentials")


def read_person(item: Json) -> Entity:
    """An item of `GET /people` as an entity."""
    is_human = item.get("type") not in ("bot", "appuser")
    return Entity(
        EntityType.PERSON,
        item["id"],
        wire.name(item.get("displayName")),
        wire.name(item.get("locationId")),
        email=next(iter(texts_of(item, "emails")), None),
        # such as "mysite.webex.com#attendee"
        site_urls=sorted({text.partition("#")[0] for text in texts_of(item, "siteUrls")}),
        known_outcome=None if is_human else Outcome.NOT_LICENSED,
        known_reason=None if is_human else f"the inventory says type {item['type']}",
    )


def texts_of(item: Json, key: str) -> list[str]:
    """The first texts of a list in an item, without those that no table should hold; empty if there is no list."""
    values = item.get(key)
    texts = map(wire.text, values) if isinstance(values, list) else ()
    return [text for text in texts if text and len(text) <= NAME_CHARS][:SITES]


def _read_calling(item: Json, licenses: Mapping[str, str]) -> Entity:
    person = read_person(item)
    if person.known_outcome or _may_call(item, licenses):
        return person
    return Entity(
        person.entity_type,
        person.entity_id,
        person.entity_name,
        person.location_id,
        known_outcome=Outcome.NOT_LICENSED,
        known_reason="the inventory names no license for Webex Calling",
    )


def _may_call(item: Json, licenses: Mapping[str, str]) -> bool:
    """Whether a person may have Webex Calling. Skip only those certainly unlicensed.

    With `callingData`, only a person with Webex Calling has a `locationId`, and `errors` says that a part could not
    be read. `GET /licenses` gives the names of the license ids. The API has also sent the ids as one text with commas.
    """
    own = item.get("licenses")
    if item.get("locationId") or item.get("errors") or not isinstance(own, list):
        return True
    if not all(isinstance(each, str) for each in own):
        return True
    named = [licenses.get(each.strip().rstrip("=")) for text in own for each in text.split(",") if each.strip()]
    return any(name is None or any(word in name.lower() for word in _CALLING_LICENSES) for name in named)


#: With calling data, a page has at most 100 people, whatever `max` says.
CALLING_PEOPLE = Listing(
    "/people",
    "items",
    _SCOPE,
    _read_calling,
    {"callingData": "true", "excludeStatus": "true", "max": "100"},
    needs_licenses=True,
)
#: A person with many licenses has 3 kB: 1,000 of them would come near the longest page
#: (`audit.untrusted.bounds.PAGE_BYTES`).
PEOPLE = Listing("/people", "items", _SCOPE, lambda item, _: read_person(item), {"excludeStatus": "true", "max": "500"})
