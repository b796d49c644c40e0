"""CSV for reviewers: RFC 4180, UTF-8. A null is an empty cell, an empty text is ``""``."""

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import WriteOptions

#: All texts are quoted and nulls are not, so that readers can tell them apart.
CSV_OPTIONS = WriteOptions(quoting_style="needed")

_FORMULA_BEGINS = pa.array([b"=", b"+", b"-", b"@", b"\t", b"\r"])
_PHONE_NUMBER = r"^\+[0-9]+( [0-9]+)*$"


def without_formulas(table: pa.Table) -> pa.Table:
    """The table with `'` before each text that a spreadsheet would run as a formula.

    Such a text begins with ``=``, ``+``, ``-``, ``@``, tab or carriage return (OWASP, "CSV Injection"). A plain phone
    number (`+` and digits, possibly in groups) is not a formula and stays unchanged.
    """
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(index)
            may_be = pc.is_in(pc.binary_slice(column.cast(pa.binary()), 0, 1), _FORMULA_BEGINS)
            if not pc.any(may_be).as_py():
                continue
            is_formula = pc.and_not(may_be, pc.match_substring_regex(column, _PHONE_NUMBER))
            if pc.any(is_formula).as_py():
                guarded = pc.binary_join_element_wise("'", column, "")
                table = table.set_column(index, field, pc.if_else(is_formula, guarded, column))
    return table
