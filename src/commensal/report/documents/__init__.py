"""Documents beside the page: PDF, checklists, a summary for patients, tables with scripts that read them."""

from commensal.report.documents.pdf import pdf_of, render_pdf

__all__ = ["pdf_of", "render_pdf"]
