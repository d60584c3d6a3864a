"""Stool samples, sequencing and the taxa found."""

from __future__ import annotations

from commensal.study.declaration import Privacy, Table, code, date, flag, identifier, integer, number, word

SAMPLES = Table(
    "samples",
    "one stool sample: a patient's, a donor's, a batch's or a control",
    ("sample_id",),
    (
        identifier("sample_id", "The sample.", is_required=True),
        identifier("patient_id", "Patient it comes from.", references="patients"),
        identifier("donor_id", "Donor it comes from.", references="donors"),
        identifier("batch_id", "Batch or pool it comes from.", references="batches"),
        identifier("donation_id", "Donation it comes from.", references="donations"),
        code("control", ("negative", "positive"), "Laboratory control; null for a sample of a person."),
        word("timepoint", "Time point in the words of the source."),
        date("collected_on", "Sampling date."),
        flag("is_on_antibiotics", "Taken under antibiotics (vancomycin among them)."),
        identifier("run_id", "Sequencing run.", references="sequencing_runs"),
        integer("n_reads", "Reads assigned.", minimum=0),
        number("cells_per_gram", "Microbial load, where measured.", minimum=0),
    ),
)


SEQUENCING_RUNS = Table(
    "sequencing_runs",
    "one run or batch of sequencing: samples of one run can be compared",
    ("run_id",),
    (
        identifier("run_id", "The run.", is_required=True),
        code("assay", ("16s", "shotgun", "virome", "strain_calls"), "Assay."),
        word("region", "Region of the 16S gene."),
        word("kit", "Extraction kit."),
        word("platform", "Platform."),
        word("pipeline", "Classifier and reference database with versions."),
        date("sequenced_on", "Date."),
    ),
)


RANKS = ("domain", "phylum", "class", "order", "family", "genus", "species", "strain", "asv")


TAXA = Table(
    "taxa",
    "one taxon or feature",
    ("taxon_id",),
    (
        identifier("taxon_id", "The feature.", is_required=True),
        code("rank", RANKS, "Rank of the feature.", privacy=Privacy.NONE),
        *(word(rank, f"Name at the rank {rank}.") for rank in RANKS[:7]),
        word("lineage", "Lineage in the words of the source."),
        word("sequence", "Nucleotide sequence of an ASV."),
    ),
)


ABUNDANCES = Table(
    "abundances",
    "one non-zero abundance: counts or proportions, never both in one study",
    ("sample_id", "taxon_id"),
    (
        identifier("sample_id", "Sample.", references="samples", is_required=True),
        identifier("taxon_id", "Taxon.", references="taxa", is_required=True),
        integer("count", "Reads of the taxon in the sample.", unit="reads", minimum=1, privacy=Privacy.NONE),
        number("proportion", "Share of the sample.", minimum=0, maximum=1, privacy=Privacy.NONE),
    ),
)


STRAINS = Table(
    "strains",
    "one comparison of one species between two samples at strain level",
    ("sample_id", "other_sample_id", "clade"),
    (
        identifier("sample_id", "First sample.", references="samples", is_required=True),
        identifier("other_sample_id", "Second sample.", references="samples", is_required=True),
        word("clade", "Species or species-level genome bin."),
        number("similarity", "Maximum variant similarity over the overlap.", minimum=0, maximum=1),
        integer("n_overlap", "Overlapping positions.", unit="positions", minimum=0),
        code("call", ("shared_strain", "other_strain", "not_analysable"), "The call."),
    ),
)
