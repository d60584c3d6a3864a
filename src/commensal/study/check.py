"""Check a study: every problem as a row, from the files' hashes to rules between tables."""

from __future__ import annotations

import polars as pl

from commensal.errors import ProblemsFoundError
from commensal.study.check_abundances import check_abundances
from commensal.study.check_answers import check_answers
from commensal.study.check_columns import check_table
from commensal.study.check_files import check_files, sound_tables
from commensal.study.check_rules import RULES
from commensal.study.folder import Study
from commensal.study.inputs import INPUTS
from commensal.study.problems import as_problems, is_usable, joined


def check(study: Study) -> pl.DataFrame:
    """Return every problem of a study, one a row, in the order files, columns, rules between tables.

    Returns
    -------
    Columns of :class:`commensal.errors.Problem`: table, row (from 1; 0 is the whole table), column, value,
    rule, message, severity (``error``, ``warning``, ``safety``). No rows: nothing was found.

    Notes
    -----
    A column of the wrong type, or absent, is told once and read as unknown in the rules that follow. The
    check never stops at the first problem, and never changes the study.
    """
    files = list(check_files(study))
    changed = joined(files).filter(pl.col("rule") == "changed_file")["table"]
    tables, schemas = sound_tables(study, changed=frozenset(changed))
    found = [*files, *schemas]
    for table in INPUTS.values():
        found.extend(check_table(tables, table))
    for rule in RULES:
        found.extend(rule(tables))
    found.extend(check_answers(tables))
    found.extend(check_abundances(tables))
    return joined(found)


def demand_usable(study: Study) -> pl.DataFrame:
    """Return the warnings of a study; raise :class:`ProblemsFoundError` with every problem on an error."""
    problems = check(study)
    if not is_usable(problems):
        source = str(study.folder) if study.folder else study.manifest.origin
        raise ProblemsFoundError(as_problems(problems), source=source)
    return problems
