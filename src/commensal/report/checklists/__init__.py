"""Checklists of STROBE, RECORD and TRIPOD+AI: items filled from the results or left to the authors."""

from commensal.report.checklists.filling import BLANK, CHECKLISTS, checklist, checklist_section, filled

__all__ = ["BLANK", "CHECKLISTS", "checklist", "checklist_section", "filled"]
