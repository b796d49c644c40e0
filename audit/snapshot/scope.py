"""Which snapshots have the same scope, and so can be compared."""

import hashlib
from collections.abc import Collection
from typing import Any

import msgspec

from audit.snapshot.manifest import Manifest, Scope


def scope_of(manifest: Manifest) -> dict[str, Any]:
    """What a run was asked to audit, by field of `Scope`; equal for snapshots that can be compared.

    Organizations are their ids, except if all were wanted: an organization that is gone is then a difference.
    """
    return fields_of(manifest.scope, {org.org_id for org in manifest.orgs})


def fields_of(asked: Scope, org_ids: set[str]) -> dict[str, Any]:
    """As `scope_of`, of a scope and its organizations."""
    fields = msgspec.to_builtins(asked)
    scope = {name: set(value) if isinstance(value, list) else value for name, value in fields.items()}
    if asked.organizations != "all":
        scope["organizations"] = org_ids
    return scope


def scope_digest(manifest: Manifest) -> str:
    """SHA-256 of the scope, in hexadecimal; fields with their default are left out, as older versions lack them."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(Scope)}
    fields = {
        name: sorted(value) if isinstance(value, set) else value
        for name, value in sorted(scope_of(manifest).items())
        if value != defaults[name] and value != set()
    }
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


def partners_of(manifest: Manifest) -> list[str]:
    """UUIDs of the organizations by which `are_apart` knows a partner; none if the scope names its organizations."""
    return sorted({org.org_id for org in manifest.orgs}) if manifest.scope.organizations == "all" else []


def are_apart(ours: Collection[str], theirs: Collection[str]) -> bool:
    """Whether all organizations of a token are others than all of another: those of two partners. None may be any."""
    return bool(ours and theirs) and not {*ours} & {*theirs}


def has_parquet(manifest: Manifest) -> bool:
    """Whether each table with rows has Parquet, which a comparison reads."""
    return all(
        any(file.path.endswith(".parquet") for file in table.files) for table in manifest.tables.values() if table.rows
    )
