"""The column of a sheet with links to Control Hub: each cell is the address as text, and a link as far as Excel allows.

XlsxWriter makes a link of each address cell by cell; here, as the rows, links are written without it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from audit.review.report import cells

#: The most links of a sheet ("Excel specifications and limits"); Excel refuses the file if there are more.
MAX_LINKS = 65_530
#: Only our own columns have this mark: a column of this name in a table of a snapshot makes no link.
_FIELD = pa.field("Control Hub", pa.string(), metadata={"link": "external"})
_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"

#: The address of a page, by the kind and the id of an entity; None if it has none.
PageOf = Callable[[str | None, str | None], str | None]


def with_pages(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], kind: str, entity_id: str, page_of: PageOf
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Add the column to rows.

    Args:
        schema: their columns.
        batches: the rows.
        kind: the column with the kind of entity, in capitals or not.
        entity_id: the column with its id.
        page_of: gives the addresses.
    """
    added = schema.append(_FIELD)

    def linked() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            pairs = zip(batch[kind].to_pylist(), batch[entity_id].to_pylist(), strict=True)
            pages = [page_of(each and each.upper(), entity) for each, entity in pairs]
            yield pa.record_batch([*batch.columns, pa.array(pages, pa.string())], schema=added)

    return added, linked()


def is_link(column: pa.Field) -> bool:
    """Whether it is this column."""
    return bool(column.metadata == _FIELD.metadata)


@dataclass
class Links:
    """The links of one sheet.

    Attributes:
        schema: the columns of the sheet.
        max_links: the most links.
        left_out: number of addresses that are text only.
    """

    schema: pa.Schema
    max_links: int
    left_out: int = 0
    _links: list[tuple[str, str]] = field(default_factory=list)

    @property
    def columns(self) -> frozenset[int]:
        """The places of the columns whose texts are links."""
        return frozenset(place for place, each in enumerate(self.schema) if is_link(each))

    def add(self, piece: pa.RecordBatch, first: int) -> None:
        """Add the links of rows, of which the first has this number."""
        for column in self.columns:
            found = [(row, page) for row, page in enumerate(piece.column(column).to_pylist(), first) if page]
            room = self.max_links - len(self._links)
            self._links += [(f"{cells.letters(column)}{row}", page) for row, page in found[:room]]
            self.left_out += max(0, len(found) - room)

    def put_into(self, tail: bytes) -> bytes:
        """The end of the sheet's XML with the links in their place."""
        links = "".join(f'<hyperlink ref="{cell}" r:id="rId{at}"/>' for at, (cell, _) in enumerate(self._links, 1))
        made = f"<hyperlinks>{links}</hyperlinks>".encode() if links else b""
        return tail.replace(b"<pageMargins", made + b"<pageMargins", 1)

    def relationships(self) -> bytes | None:
        """The file that says where the links lead; None if there are none."""
        if not self._links:
            return None
        targets = "".join(
            f'<Relationship Id="rId{at}" Type="{_TYPE}" Target={quoteattr(page)} TargetMode="External"/>'
            for at, (_, page) in enumerate(self._links, 1)
        )
        head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        return f'{head}<Relationships xmlns="{_PACKAGE}">{targets}</Relationships>'.encode()
