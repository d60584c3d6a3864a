"""The text of the audit triggers, for SQLite and for PostgreSQL."""

from __future__ import annotations

import re

from commensal.registry.models import MODELS
from commensal.registry.tables import OWNED

TRAIL = "audit"
ACCOUNTS = ("auth_user", "memberships")
AUDITED = (*MODELS, *ACCOUNTS)
APPEND_ONLY = (TRAIL, "custody", *(name for name, owned in OWNED.items() if owned.is_append_only))
SECRET = ("password", "last_login")
GENESIS = "0" * 64
SEPARATOR, NOTHING = "\x1f", "\x01nothing"
OPERATIONS = ("INSERT", "UPDATE", "DELETE")
TRIGGER = "audit_{table}_{op}"
GUARD = "keep_{table}_{op}"

LISTED = {
    "sqlite": "select name, sql from sqlite_master where type = 'trigger'",
    "postgresql": (
        "select t.tgname, pg_get_triggerdef(t.oid) || coalesce(p.prosrc, '') || t.tgenabled::text "
        "from pg_trigger t join pg_proc p on p.oid = t.tgfoid where not t.tgisinternal"
    ),
}


def names() -> list[str]:
    """Return the name of every trigger a whole database has."""
    audits = [TRIGGER.format(table=t, op=op.lower()) for t in AUDITED for op in OPERATIONS]
    return audits + [GUARD.format(table=t, op=op.lower()) for t in APPEND_ONLY for op in ("UPDATE", "DELETE")]


def drop_statements(vendor: str, tables: dict[str, list[str]]) -> list[str]:
    """Return the statements that take the triggers away."""
    owned = [(TRIGGER, table, op) for table in tables for op in OPERATIONS]
    owned += [(GUARD, t, op) for t in APPEND_ONLY if tables for op in ("UPDATE", "DELETE")]
    on = " on {table}" if vendor == "postgresql" else ""
    return [
        f"drop trigger if exists {name.format(table=t, op=op.lower())}{on.format(table=t)}"
        for name, t, op in owned
    ]


def create_statements(vendor: str, tables: dict[str, list[str]]) -> list[str]:
    """Return the statements that put the triggers in place."""
    if not tables:
        return []
    if vendor == "sqlite":
        return list(_sqlite(tables).values())
    return [_PG_AUDIT, _PG_GUARD, *_postgresql(tables).values()]


def expected(vendor: str, tables: dict[str, list[str]]) -> dict[str, str]:
    """Return name → text as the database lists it."""
    if not tables:
        return {}
    if vendor == "sqlite":
        return _sqlite(tables)
    bodies = {"registry_audit": _body(_PG_AUDIT), "registry_keep": _body(_PG_GUARD)}
    return {
        name: statement.replace("execute function ", "EXECUTE FUNCTION ") + bodies[_function(statement)] + "O"
        for name, statement in _postgresql(tables).items()
    }


def plain(text: str) -> str:
    """Return trigger text without what a database rewrites: case, spaces, schema."""
    return re.sub(r"\s+|public\.", "", text).lower()


# --- SQLite


def _sqlite(tables: dict[str, list[str]]) -> dict[str, str]:
    made = {
        TRIGGER.format(table=table, op=op.lower()): _sqlite_audit(table, columns, op)
        for table, columns in tables.items()
        for op in OPERATIONS
    }
    for table in APPEND_ONLY:
        for op in ("UPDATE", "DELETE"):
            name = GUARD.format(table=table, op=op.lower())
            made[name] = (
                f"CREATE TRIGGER {name} BEFORE {op} ON {table} BEGIN "
                f"SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    return made


def _sqlite_audit(table: str, columns: list[str], op: str) -> str:
    key = key_of(table)
    old, new = (_json(columns, side) for side in ("OLD", "NEW"))
    old, new = ("NULL" if op == "INSERT" else old), ("NULL" if op == "DELETE" else new)
    row = "NEW" if op != "DELETE" else "OLD"
    of = f" OF {', '.join([*columns, 'password'])}" if table == "auth_user" and op == "UPDATE" else ""
    return f"""CREATE TRIGGER {TRIGGER.format(table=table, op=op.lower())} AFTER {op}{of} ON {table} BEGIN
INSERT INTO audit (seq, at, actor, reason, tbl, pk_value, op, old, new, previous, digest)
SELECT seq, at, actor, reason, tbl, pk_value, op, old, new, previous,
app_sha256(previous || char(31) || seq || char(31) || at || char(31) || actor || char(31) || reason
|| char(31) || tbl || char(31) || pk_value || char(31) || op || char(31)
|| coalesce(old, char(1) || 'nothing') || char(31) || coalesce(new, char(1) || 'nothing'))
FROM (SELECT coalesce((SELECT max(seq) FROM audit), 0) + 1 AS seq,
strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS at, app_actor() AS actor, app_reason() AS reason,
'{table}' AS tbl, CAST({row}.{key} AS TEXT) AS pk_value, '{op}' AS op, {old} AS old, {new} AS new,
coalesce((SELECT digest FROM audit ORDER BY seq DESC LIMIT 1), '{GENESIS}') AS previous);
END"""  # noqa: S608  own names


def _json(columns: list[str], side: str) -> str:
    # SQLite takes at most 127 arguments in a call; the widest table has far fewer columns.
    return "json_object(" + ", ".join(f"'{c}', {side}.{c}" for c in columns) + ")"


def key_of(table: str) -> str:
    """Return the primary key column of an audited table."""
    return MODELS[table]._meta.pk.column if table in MODELS else "id"


# --- PostgreSQL

_PG_AUDIT = """create or replace function registry_audit() returns trigger language plpgsql as $body$
declare
  who text := current_setting('app.actor', true);
  why text := coalesce(current_setting('app.reason', true), '');
  nothing text := 'nothing';
  o jsonb; n jsonb; was text; now_is text; last_seq bigint; last_digest text; stamp text; pk text;
begin
  if coalesce(who, '') = '' then
    raise exception 'a change was tried without naming who makes it';
  end if;
  perform pg_advisory_xact_lock(20240931);
  if tg_op <> 'INSERT' then o := to_jsonb(old) - 'password' - 'last_login'; was := o::text; end if;
  if tg_op <> 'DELETE' then n := to_jsonb(new) - 'password' - 'last_login'; now_is := n::text; end if;
  pk := coalesce(n, o) ->> tg_argv[0];
  select seq, digest into last_seq, last_digest from audit order by seq desc limit 1;
  last_seq := coalesce(last_seq, 0) + 1;
  last_digest := coalesce(last_digest, repeat('0', 64));
  stamp := to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
  insert into audit (seq, at, actor, reason, tbl, pk_value, op, old, new, previous, digest)
  values (last_seq, stamp, who, why, tg_table_name, pk, tg_op, was, now_is, last_digest,
    encode(sha256(convert_to(concat_ws(chr(31), last_digest, last_seq, stamp, who, why, tg_table_name, pk,
      tg_op, coalesce(was, chr(1) || nothing), coalesce(now_is, chr(1) || nothing)), 'UTF8')), 'hex'));
  return null;
end $body$"""

_PG_GUARD = """create or replace function registry_keep() returns trigger language plpgsql as $body$
begin
  raise exception '% is append-only', tg_table_name;
end $body$"""


def _postgresql(tables: dict[str, list[str]]) -> dict[str, str]:
    made = {}
    for table, columns in tables.items():
        for op in OPERATIONS:
            name = TRIGGER.format(table=table, op=op.lower())
            of = f" of {', '.join([*columns, 'password'])}" if table == "auth_user" and op == "UPDATE" else ""
            made[name] = (
                f"create trigger {name} after {op.lower()}{of} on {table} for each row "
                f"execute function registry_audit('{key_of(table)}')"
            )
    for table in APPEND_ONLY:
        for op in ("UPDATE", "DELETE"):
            name = GUARD.format(table=table, op=op.lower())
            also = " or truncate" if op == "DELETE" else ""
            made[name] = (
                f"create trigger {name} before {op.lower()}{also} on {table} for each statement "
                f"execute function registry_keep()"
            )
    return made


def _function(statement: str) -> str:
    return "registry_keep" if "registry_keep" in statement else "registry_audit"


def _body(function: str) -> str:
    return function.split("$body$")[1]
