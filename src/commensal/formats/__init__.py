"""Doors for other people's files: tidy folders, BIOM, QIIME 2 archives, MetaPhlAn, SameStr, spreadsheets."""

from commensal.formats.doors import FORMATS, import_study, read
from commensal.formats.imported import Imported

__all__ = ["FORMATS", "Imported", "import_study", "read"]
