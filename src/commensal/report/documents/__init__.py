"""Documents beside the page: PDF, checklists, a summary for patients, tables with scripts that read them."""

from commensal.report.documents.exports import write_tables
from commensal.report.documents.patients import patients_sections, render_patients
from commensal.report.documents.pdf import pdf_of, render_pdf

__all__ = [
    "patients_sections",
    "pdf_of",
    "render_patients",
    "render_pdf",
    "write_tables",
]
