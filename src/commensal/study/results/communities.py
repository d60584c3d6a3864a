"""What the stool samples show."""

from __future__ import annotations

from commensal.study.declaration import Table, code, flag, identifier, integer, number, word

ENGRAFTMENT = Table(
    "engraftment",
    "one measure of one sample",
    ("subject_id", "sample_id", "measure"),
    (
        identifier("sample_id", "The recipient's sample; null where the subject has none to measure."),
        identifier("subject_id", "Recipient."),
        identifier(
            "donor_id",
            "Donor, batch or pool compared with, several joined by ';'; null for a measure without one.",
        ),
        identifier(
            "reference_sample_id",
            "Sample of the donor, or of the baseline, compared with; several separated by ';'.",
        ),
        integer("day", "Day relative to index.", unit="days"),
        word("timepoint", "Time point in the words of the source."),
        word("measure", "peds, peds_gained, pprs, bray_curtis_to_donor, shannon …"),
        number("value", "The measure."),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        number("level", "Confidence level of the interval."),
        integer("n", "Denominator (features of the donor, of the baseline …)."),
        integer("n_events", "Numerator."),
        number("null_mean", "Mean of the measure under the null (mismatched donors of this subject)."),
        integer("n_null", "Values under the null."),
        number("p", "Probability of a value at least as extreme under the null.", minimum=0, maximum=1),
        number("q", "p after control of the false discovery rate.", minimum=0, maximum=1),
        word("method", "How the interval and the null were made; null without one."),
        word("reason", "Why there is no value, or a caution to print with it."),
    ),
)


TAXON_OUTCOMES = Table(
    "taxon_outcomes",
    "one taxon at one time point over all recipients whose donor had it",
    ("taxon_id", "timepoint"),
    (
        identifier("taxon_id", "Taxon."),
        word("timepoint", "Time point."),
        integer("n_donors_had", "Recipients whose donor had the taxon."),
        integer("n_recipients_have", "Of them, recipients with the taxon."),
        number("value", "n_recipients_have / n_donors_had (PRDF)."),
        number("lower", "Wilson lower limit."),
        number("upper", "Wilson upper limit."),
        integer(
            "n_lacked", "Of recipients whose donor had the taxon, those whose baseline is known to lack it."
        ),
        integer("n_gained", "Of them, recipients with the taxon."),
        number("gained_value", "n_gained / n_lacked: PRDF without what was shared before."),
        number("gained_lower", "Wilson lower limit."),
        number("gained_upper", "Wilson upper limit."),
        word("reason", "Why there is no value."),
    ),
)


ENGRAFTMENT_TESTS = Table(
    "engraftment_tests",
    "one global question of the engraftment panel over all subjects",
    ("measure", "timepoint", "method"),
    (
        word("measure", "The measure tested."),
        word("timepoint", "Time point; 'all' for each subject's last sample."),
        word("method", "The test, its null and its unit of permutation."),
        number("estimate", "Mean over subjects of the own donor's value minus the null's."),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        number("level", "Confidence level."),
        number("p", "Probability under the null.", minimum=0, maximum=1),
        integer("n", "Subjects."),
        integer("n_null", "Permutations or mismatched values."),
        word("reason", "Why there is no test, or a caution to print with it."),
    ),
)


TAXON_FATES = Table(
    "taxon_fates",
    "one taxon in one sample after transplant: whence it can have come",
    ("subject_id", "sample_id", "taxon_id"),
    (
        identifier("subject_id", "Recipient."),
        identifier("sample_id", "Sample after transplant."),
        identifier("taxon_id", "Taxon."),
        integer("day", "Day relative to index.", unit="days"),
        code(
            "fate",
            (
                "gained_from_donor",
                "shared_before",
                "persisted",
                "novel",
                "lost",
                "donor_not_engrafted",
                "takeover",
                "coexistence",
            ),
            "Donor and baseline had it or not, and the sample has it or not; takeover and coexistence need "
            "strains.",
        ),
        number("proportion", "Share of the sample after transplant.", minimum=0, maximum=1),
        number("donor_proportion", "Share of the donor's reference.", minimum=0, maximum=1),
        number("baseline_proportion", "Share of the baseline.", minimum=0, maximum=1),
    ),
)


TAXON_NAMES = Table(
    "taxon_names",
    "what one taxon of the engraftment tables is called",
    ("taxon_id",),
    (
        identifier("taxon_id", "Taxon."),
        word("name", "Its name, or that of its nearest named ancestor."),
        word("lineage", "Its names from domain to species, separated by ';'."),
    ),
)


ATTRIBUTIONS = Table(
    "attributions",
    "the share of one community that came from one source",
    ("subject_id", "sink_id", "source_id"),
    (
        identifier("sink_id", "The sample attributed."),
        identifier("source_id", "Donor, batch, baseline sample, 'other_donors' or 'unknown'."),
        code("source_role", ("donor", "baseline", "other_donor", "unknown"), "What the source is."),
        identifier("subject_id", "Recipient the sample was taken from."),
        integer("day", "Day relative to index.", unit="days"),
        word("timepoint", "Time point in the words of the source."),
        flag("is_before", "Taken before the first transplant; null where nobody can tell."),
        number("proportion", "Share of the community.", minimum=0, maximum=1),
        number("lower", "Lower limit.", minimum=0, maximum=1),
        number("upper", "Upper limit.", minimum=0, maximum=1),
        number("level", "Confidence level of the interval."),
        word("method", "Model of the sources, and what the interval holds."),
        word("reason", "Why there is no proportion, or a caution to print with it."),
    ),
)


IDENTITY = Table(
    "identity",
    "whose one sample is: what is recorded against what the community says",
    ("subject_id", "sample_id"),
    (
        identifier("sample_id", "The sample; null where the patient has none."),
        identifier("subject_id", "Patient it is recorded for."),
        integer("day", "Day relative to index.", unit="days"),
        word("timepoint", "Time point in the words of the source."),
        identifier("recorded_donor_id", "Donor, batch or pool recorded as given; null before transplant."),
        identifier("likely_donor_id", "Donor the community resembles most, beyond the subject's own."),
        number("donor_probability", "Probability of the likely donor.", minimum=0, maximum=1),
        number("recorded_donor_probability", "Probability of the recorded donor.", minimum=0, maximum=1),
        identifier("likely_subject_id", "Patient whose other samples it resembles most."),
        number("subject_probability", "Probability of the likely patient.", minimum=0, maximum=1),
        number("recorded_subject_probability", "Probability of the recorded patient.", minimum=0, maximum=1),
        code(
            "verdict",
            ("consistent", "wrong_donor", "sample_swap", "undetermined"),
            "What the two together say.",
        ),
        integer("n_candidates", "Donors and patients it could be."),
        word("method", "What the probabilities rest on."),
        word("reason", "Why nothing can be told, or what to check."),
    ),
)


DYSBIOSIS = Table(
    "dysbiosis",
    "one measure of one community against a named reference",
    ("sample_id", "measure"),
    (
        identifier("sample_id", "The sample."),
        identifier("subject_id", "Recipient; null for a donor's sample."),
        identifier("donor_id", "Donor; null for a recipient's sample."),
        integer("day", "Day relative to index.", unit="days"),
        word("timepoint", "Time point in the words of the source."),
        word("measure", "bray_curtis_to_reference, cloud, mhi_a, md_index, gmhi, gmwi2, richness_share …"),
        number("value", "The measure."),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        number("level", "Confidence level of the interval."),
        word("reference", "Reference cohort or index, with its version."),
        integer("n_reference", "Reference samples (or taxa of an index) it rests on."),
        number(
            "reference_share",
            "(Other reference subjects at least as extreme + 1) / (their number + 1).",
            minimum=0,
            maximum=1,
        ),
        number("threshold", "Value beyond which the reference calls a community unusual."),
        flag("is_beyond", "The value lies beyond the threshold; null where there is none."),
        word("method", "Formula, and how the interval was made."),
        word("reason", "Why there is no value, or a caution to print with it."),
    ),
)


DEFICITS = Table(
    "deficits",
    "one taxon or function of one sample against the reference",
    ("sample_id", "kind", "feature"),
    (
        identifier("sample_id", "The sample."),
        identifier("subject_id", "Recipient; null for a donor's sample."),
        identifier("donor_id", "Donor; null for a recipient's sample."),
        code("kind", ("taxon", "function"), "What the feature is."),
        identifier("feature", "Taxon, or function (butyrate producers, 7α-dehydroxylation, pathobionts)."),
        number("proportion", "Share of the sample.", minimum=0, maximum=1),
        number("reference_lower", "5th centile of the reference.", minimum=0, maximum=1),
        number("reference_median", "Median of the reference.", minimum=0, maximum=1),
        number("reference_upper", "95th centile of the reference.", minimum=0, maximum=1),
        number("reference_prevalence", "Share of reference samples with it.", minimum=0, maximum=1),
        integer("n_reference", "Reference samples."),
        code("direction", ("deficit", "excess", "within"), "Against the reference."),
        word("reference", "Reference cohort, with its version."),
        word("reason", "Why there is no comparison, or a caution to print with it."),
    ),
)


ORDINATION = Table(
    "ordination",
    "one sample in the plane of the two main axes of a distance",
    ("distance", "sample_id"),
    (
        word("distance", "bray_curtis, jaccard, aitchison, unifrac …"),
        identifier("sample_id", "The sample."),
        identifier("subject_id", "Recipient; null for a donor's or batch's sample."),
        identifier("donor_id", "Donor or batch; null for a recipient's sample."),
        integer("day", "Day relative to index.", unit="days"),
        word("timepoint", "Time point in the words of the source."),
        flag("is_before", "Taken before the first transplant; null where nobody can tell, and for donors."),
        word("setting", "Assay, region and pipeline the sample shares with those it is drawn with."),
        number("axis_1", "Position on the first axis."),
        number("axis_2", "Position on the second axis."),
        number("explained_1", "Share of the variation on the first axis.", minimum=0, maximum=1),
        number("explained_2", "Share of the variation on the second axis.", minimum=0, maximum=1),
        word("reason", "Why the sample is not drawn, or a caution to print with it."),
    ),
)


COMMUNITY_PREDICTIONS = Table(
    "community_predictions",
    "the probability that one taxon is present after FMT from one donor",
    ("patient_id", "donor_id", "taxon_id"),
    (
        identifier("patient_id", "Recipient."),
        identifier("donor_id", "Donor, batch or pool."),
        identifier("taxon_id", "Taxon."),
        number("probability", "Probability of presence after FMT.", minimum=0, maximum=1),
        number("prevalence", "Prevalence after FMT in the training studies alone.", minimum=0, maximum=1),
        flag("is_in_donor", "The donor's stool has it."),
        flag("is_in_baseline", "The recipient's baseline has it."),
        flag("is_present", "It was found after FMT, where a sample was taken."),
        word("held_out", "Study left out of training; null where none was."),
    ),
)


COMMUNITY_VALIDATION = Table(
    "community_validation",
    "how well presence after FMT was predicted in a study the model had not seen",
    ("held_out", "universe", "model"),
    (
        word("held_out", "Study left out; 'all' for all of them together."),
        word("universe", "all taxa, or taxa found in donor or baseline."),
        word("model", "The model, or the prevalence baseline."),
        number("auroc", "Area under the ROC curve.", minimum=0, maximum=1),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        number("difference", "AUROC minus that of the prevalence baseline."),
        number("difference_lower", "Lower limit."),
        number("difference_upper", "Upper limit."),
        number("level", "Confidence level."),
        number("brier", "Mean squared error of the probabilities.", minimum=0, maximum=1),
        integer("n", "Recipient–taxon pairs."),
        integer("n_present", "Of them present."),
        integer("n_recipients", "Recipients."),
        word("method", "Model, features and how the interval was made."),
        word("reason", "Why there is no value."),
    ),
)
