"""The study: every table declared once; facts derived once; read, check, write, merge, release."""

from commensal.study.check import check, demand_usable
from commensal.study.facts import (
    donation_facts,
    donor_facts,
    patient_facts,
    recipient_facts,
    unit_facts,
    unit_holds,
)
from commensal.study.folder import Study, StudyWriter, open_study, study_of, write_study
from commensal.study.inputs import INPUTS
from commensal.study.manifest import Manifest
from commensal.study.merge import merge
from commensal.study.problems import as_problems, is_usable
from commensal.study.release import release
from commensal.study.result_folder import read_results, write_results
from commensal.study.results import RESULTS

__all__ = [
    "INPUTS",
    "RESULTS",
    "Manifest",
    "Study",
    "StudyWriter",
    "as_problems",
    "check",
    "demand_usable",
    "donation_facts",
    "donor_facts",
    "is_usable",
    "merge",
    "open_study",
    "patient_facts",
    "read_results",
    "recipient_facts",
    "release",
    "study_of",
    "unit_facts",
    "unit_holds",
    "write_results",
    "write_study",
]
