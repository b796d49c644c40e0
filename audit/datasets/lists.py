"""Lists in columns, turned into rows."""

import pyarrow as pa
import pyarrow.compute as pc


def explode(lists: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Each item of each list: the row of its list, its position there (from 0), and the item."""
    rows = pc.list_parent_indices(lists).cast(pa.int64())
    lengths = pc.fill_null(pc.list_value_length(lists), 0).cast(pa.int64())
    starts = pc.subtract(pc.cumulative_sum(lengths), lengths)
    positions = pc.subtract(pa.arange(0, len(rows)), starts.take(rows))
    return rows, positions.cast(pa.int32()), pc.list_flatten(lists)


def explode_outer(lists: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """As `explode`, but a row without items gives one null item at a null position."""
    rows, positions, items = explode(lists)
    is_empty = pc.equal(pc.fill_null(pc.list_value_length(lists), 0), 0)
    lonely = pc.indices_nonzero(is_empty).cast(pa.int64())
    all_rows = pa.concat_arrays([rows, lonely])
    order = pc.sort_indices(all_rows)
    nulls = [pa.nulls(len(lonely), kind) for kind in (positions.type, items.type)]
    return (
        all_rows.take(order),
        pa.concat_arrays([positions, nulls[0]]).take(order),
        pa.concat_arrays([items, nulls[1]]).take(order),
    )
