# fmt: off
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('registry', '0001_first'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Accesses',
            fields=[
                ('access_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('seen_at', models.DateTimeField(blank=True, null=True)),
                ('actor', models.TextField(blank=True, null=True)),
                ('kind', models.CharField(blank=True, max_length=80, null=True)),
                ('page', models.TextField(blank=True, null=True)),
                ('n_rows', models.BigIntegerField(blank=True, null=True)),
                ('purpose', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': "one look at a person's record, or one export",
                'db_table': 'accesses',
            },
        ),
        migrations.CreateModel(
            name='AeAssessments',
            fields=[
                ('ae_assessment_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('view', models.CharField(max_length=80)),
                ('causality', models.CharField(blank=True, max_length=80, null=True)),
                ('related_to', models.CharField(blank=True, max_length=80, null=True)),
                ('is_donor_infection_suspected', models.BooleanField(blank=True, null=True)),
                ('note', models.TextField(blank=True, null=True)),
                ('judged_at', models.DateTimeField(blank=True, null=True)),
                ('judged_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': "one physician's judgement of one adverse event",
                'db_table': 'ae_assessments',
            },
        ),
        migrations.CreateModel(
            name='AeReports',
            fields=[
                ('ae_report_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('duty', models.TextField(blank=True, null=True)),
                ('reported_at', models.DateTimeField(blank=True, null=True)),
                ('reference', models.TextField(blank=True, null=True)),
                ('reported_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one report of one adverse event that a clock asks for',
                'db_table': 'ae_reports',
            },
        ),
        migrations.CreateModel(
            name='Attachments',
            fields=[
                ('attachment_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('sha256', models.TextField(blank=True, null=True)),
                ('kind', models.CharField(max_length=80)),
                ('media_type', models.CharField(max_length=80)),
                ('n_bytes', models.BigIntegerField(blank=True, null=True)),
                ('title', models.TextField(blank=True, null=True)),
                ('uploaded_at', models.DateTimeField(blank=True, null=True)),
                ('uploaded_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one file kept beside the database: a consent scan, a laboratory report',
                'db_table': 'attachments',
            },
        ),
        migrations.CreateModel(
            name='BatchDonations',
            fields=[
                ('part_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('mass_grams', models.FloatField(blank=True, null=True)),
            ],
            options={
                'verbose_name': "one donation's part in one batch",
                'db_table': 'batch_donations',
            },
        ),
        migrations.CreateModel(
            name='BatchEquipment',
            fields=[
                ('use_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
            ],
            options={
                'verbose_name': 'one piece of equipment used in one batch',
                'db_table': 'batch_equipment',
            },
        ),
        migrations.CreateModel(
            name='BatchLots',
            fields=[
                ('use_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
            ],
            options={
                'verbose_name': 'one lot of a consumable used in one batch',
                'db_table': 'batch_lots',
            },
        ),
        migrations.CreateModel(
            name='Checklists',
            fields=[
                ('checklist_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('route', models.CharField(max_length=80)),
                ('units', models.TextField(blank=True, null=True)),
                ('checked_on', models.DateField()),
                ('checked_at', models.DateTimeField(blank=True, null=True)),
                ('checked_by', models.TextField(blank=True, null=True)),
                ('outcome', models.CharField(max_length=80)),
                ('content', models.TextField(blank=True, null=True)),
                ('override_code', models.CharField(blank=True, max_length=80, null=True)),
                ('override_reason', models.TextField(blank=True, null=True)),
                ('overridden_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one check before a procedure: every item with its verdict',
                'db_table': 'checklists',
            },
        ),
        migrations.CreateModel(
            name='ConsentScopes',
            fields=[
                ('consent_scope_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('scope', models.CharField(max_length=80)),
                ('is_granted', models.BooleanField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one thing that one signature allows or refuses',
                'db_table': 'consent_scopes',
            },
        ),
        migrations.CreateModel(
            name='ConsentTexts',
            fields=[
                ('consent_text_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('type', models.CharField(max_length=80)),
                ('version', models.TextField(blank=True, null=True)),
                ('language', models.TextField(blank=True, null=True)),
                ('valid_from_on', models.DateField()),
                ('valid_until_on', models.DateField(blank=True, null=True)),
                ('asks_again', models.BooleanField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one version of a consent text in one language at one centre',
                'db_table': 'consent_texts',
            },
        ),
        migrations.CreateModel(
            name='ConsumableLots',
            fields=[
                ('lot_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('item', models.CharField(max_length=80)),
                ('description', models.TextField(blank=True, null=True)),
                ('lot', models.TextField(blank=True, null=True)),
                ('supplier', models.TextField(blank=True, null=True)),
                ('received_on', models.DateField(blank=True, null=True)),
                ('expires_on', models.DateField()),
                ('used_up_on', models.DateField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one lot of something used in processing',
                'db_table': 'consumable_lots',
            },
        ),
        migrations.CreateModel(
            name='Deviations',
            fields=[
                ('deviation_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('account', models.TextField(blank=True, null=True)),
                ('happened_on', models.DateField(blank=True, null=True)),
                ('found_on', models.DateField()),
                ('found_by', models.TextField(blank=True, null=True)),
                ('severity', models.CharField(max_length=80)),
                ('containment', models.TextField(blank=True, null=True)),
                ('root_cause', models.TextField(blank=True, null=True)),
                ('is_effective', models.BooleanField(blank=True, null=True)),
                ('effectiveness', models.TextField(blank=True, null=True)),
                ('closed_on', models.DateField(blank=True, null=True)),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one departure from how it should have been',
                'db_table': 'deviations',
            },
        ),
        migrations.CreateModel(
            name='DonorDecisions',
            fields=[
                ('decision_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('decided_on', models.DateField()),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('status', models.CharField(max_length=80)),
                ('reason_code', models.CharField(blank=True, max_length=80, null=True)),
                ('deferred_until_on', models.DateField(blank=True, null=True)),
                ('reason', models.TextField(blank=True, null=True)),
                ('decided_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one decision on one donor, with its coded reason',
                'db_table': 'donor_decisions',
            },
        ),
        migrations.CreateModel(
            name='Equipment',
            fields=[
                ('equipment_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=80)),
                ('name', models.TextField(blank=True, null=True)),
                ('serial', models.TextField(blank=True, null=True)),
                ('calibration_due_on', models.DateField(blank=True, null=True)),
                ('warmest_celsius', models.FloatField(blank=True, null=True)),
                ('retired_on', models.DateField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one piece of equipment of a centre',
                'db_table': 'equipment',
            },
        ),
        migrations.CreateModel(
            name='Excursions',
            fields=[
                ('excursion_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('began_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('peak_celsius', models.FloatField(blank=True, null=True)),
                ('account', models.TextField(blank=True, null=True)),
                ('recorded_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one time in which a freezer or refrigerator was too warm',
                'db_table': 'excursions',
            },
        ),
        migrations.CreateModel(
            name='ExcursionUnits',
            fields=[
                ('excursion_unit_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('disposition', models.CharField(blank=True, max_length=80, null=True)),
                ('decided_on', models.DateField(blank=True, null=True)),
                ('decided_by', models.TextField(blank=True, null=True)),
                ('rationale', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one unit that an excursion may have warmed',
                'db_table': 'excursion_units',
            },
        ),
        migrations.CreateModel(
            name='Findings',
            fields=[
                ('finding_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('fact', models.TextField(blank=True, null=True)),
                ('is_so', models.BooleanField(blank=True, null=True)),
                ('value', models.FloatField(blank=True, null=True)),
                ('found_on', models.DateField()),
                ('answered_at', models.DateTimeField(blank=True, null=True)),
                ('found_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one answer of a clinician to one question of the eligibility rules',
                'db_table': 'findings',
            },
        ),
        migrations.CreateModel(
            name='Identities',
            fields=[
                ('identity_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('names', models.TextField(blank=True, null=True)),
                ('contacts', models.TextField(blank=True, null=True)),
                ('hospital_number', models.TextField(blank=True, null=True)),
                ('national_number', models.TextField(blank=True, null=True)),
                ('name_mark', models.TextField(blank=True, null=True)),
                ('hospital_mark', models.TextField(blank=True, null=True)),
                ('national_mark', models.TextField(blank=True, null=True)),
                ('key_mark', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'who one patient or donor is: the vault',
                'db_table': 'identities',
            },
        ),
        migrations.CreateModel(
            name='Jobs',
            fields=[
                ('job_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('kind', models.TextField(blank=True, null=True)),
                ('inputs', models.TextField(blank=True, null=True)),
                ('requested_by', models.TextField(blank=True, null=True)),
                ('due_at', models.DateTimeField(blank=True, null=True)),
                ('claimed_at', models.DateTimeField(blank=True, null=True)),
                ('attempts', models.BigIntegerField(blank=True, null=True)),
                ('done_at', models.DateTimeField(blank=True, null=True)),
                ('result', models.TextField(blank=True, null=True)),
                ('error', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one piece of work for the worker',
                'db_table': 'jobs',
            },
        ),
        migrations.CreateModel(
            name='LookbackRulings',
            fields=[
                ('ruling_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('ruled_at', models.DateTimeField(blank=True, null=True)),
                ('ruled_by', models.TextField(blank=True, null=True)),
                ('reason', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one decision that an adverse event asks for no recall',
                'db_table': 'lookback_rulings',
            },
        ),
        migrations.CreateModel(
            name='Mappings',
            fields=[
                ('mapping_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('name', models.TextField(blank=True, null=True)),
                ('content', models.TextField(blank=True, null=True)),
                ('saved_by', models.TextField(blank=True, null=True)),
                ('saved_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one saved mapping: which column of a file is which column of which table',
                'db_table': 'mappings',
            },
        ),
        migrations.CreateModel(
            name='MedicationReviews',
            fields=[
                ('review_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('reviewed_on', models.DateField()),
                ('asked_of', models.CharField(blank=True, max_length=80, null=True)),
                ('is_complete', models.BooleanField(blank=True, null=True)),
                ('n_taken', models.BigIntegerField(blank=True, null=True)),
                ('reviewed_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one look through everything a patient takes',
                'db_table': 'medication_reviews',
            },
        ),
        migrations.CreateModel(
            name='Observations',
            fields=[
                ('observation_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('observed_at', models.DateTimeField(blank=True, null=True)),
                ('temperature', models.FloatField(blank=True, null=True)),
                ('pulse', models.BigIntegerField(blank=True, null=True)),
                ('systolic', models.BigIntegerField(blank=True, null=True)),
                ('diastolic', models.BigIntegerField(blank=True, null=True)),
                ('saturation', models.BigIntegerField(blank=True, null=True)),
                ('has_complaint', models.BooleanField(blank=True, null=True)),
                ('note', models.TextField(blank=True, null=True)),
                ('observed_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one look at a patient after a session',
                'db_table': 'observations',
            },
        ),
        migrations.CreateModel(
            name='Origins',
            fields=[
                ('origin_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('source', models.TextField(blank=True, null=True)),
                ('of_table', models.TextField(blank=True, null=True)),
                ('source_mark', models.TextField(blank=True, null=True)),
                ('row_key', models.CharField(blank=True, max_length=64, null=True)),
            ],
            options={
                'verbose_name': 'one row of a source and the row of the registry it became',
                'db_table': 'origins',
            },
        ),
        migrations.CreateModel(
            name='Placements',
            fields=[
                ('placement_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('box_row', models.BigIntegerField()),
                ('box_column', models.BigIntegerField()),
                ('since_at', models.DateTimeField(blank=True, null=True)),
                ('until_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one stay of a unit or a retention sample at one position of a box',
                'db_table': 'placements',
            },
        ),
        migrations.CreateModel(
            name='Places',
            fields=[
                ('place_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=80)),
                ('name', models.TextField(blank=True, null=True)),
                ('n_rows', models.BigIntegerField(blank=True, null=True)),
                ('n_columns', models.BigIntegerField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one shelf, rack or box',
                'db_table': 'places',
            },
        ),
        migrations.CreateModel(
            name='PlannedSessions',
            fields=[
                ('planned_session_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(blank=True, null=True)),
                ('due_on', models.DateField()),
                ('route', models.CharField(blank=True, max_length=80, null=True)),
                ('cancelled_on', models.DateField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one session of a course that is planned',
                'db_table': 'planned_sessions',
            },
        ),
        migrations.CreateModel(
            name='Processings',
            fields=[
                ('processing_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('temperature_celsius', models.FloatField(blank=True, null=True)),
                ('n_donations', models.BigIntegerField(blank=True, null=True)),
                ('departures', models.TextField(blank=True, null=True)),
                ('recorded_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'how one batch was made',
                'db_table': 'processings',
            },
        ),
        migrations.CreateModel(
            name='ProposalRulings',
            fields=[
                ('ruling_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('decision', models.CharField(max_length=80)),
                ('reason_code', models.CharField(blank=True, max_length=80, null=True)),
                ('choice', models.TextField(blank=True, null=True)),
                ('note', models.TextField(blank=True, null=True)),
                ('digest', models.TextField(blank=True, null=True)),
                ('ruled_at', models.DateTimeField(blank=True, null=True)),
                ('ruled_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': "a physician's word on one proposal",
                'db_table': 'proposal_rulings',
            },
        ),
        migrations.CreateModel(
            name='Proposals',
            fields=[
                ('proposal_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=80)),
                ('made_on', models.DateField()),
                ('made_at', models.DateTimeField(blank=True, null=True)),
                ('made_by', models.TextField(blank=True, null=True)),
                ('route', models.CharField(blank=True, max_length=80, null=True)),
                ('run', models.TextField(blank=True, null=True)),
                ('inputs', models.TextField(blank=True, null=True)),
                ('rules', models.TextField(blank=True, null=True)),
                ('software', models.TextField(blank=True, null=True)),
                ('content', models.TextField(blank=True, null=True)),
                ('digest', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one immutable proposal for one patient: a match run, a care plan or a re-plan',
                'db_table': 'proposals',
            },
        ),
        migrations.CreateModel(
            name='RecallContacts',
            fields=[
                ('contact_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('contacted_at', models.DateTimeField(blank=True, null=True)),
                ('contacted_by', models.TextField(blank=True, null=True)),
                ('way', models.CharField(max_length=80)),
                ('outcome', models.CharField(max_length=80)),
                ('note', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one attempt to reach a patient in a recall',
                'db_table': 'recall_contacts',
            },
        ),
        migrations.CreateModel(
            name='RecallPatients',
            fields=[
                ('recall_patient_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('listed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one patient whom a recall reached',
                'db_table': 'recall_patients',
            },
        ),
        migrations.CreateModel(
            name='Recalls',
            fields=[
                ('recall_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=80)),
                ('severity', models.CharField(max_length=80)),
                ('mode', models.CharField(max_length=80)),
                ('account', models.TextField(blank=True, null=True)),
                ('detected_at', models.DateTimeField(blank=True, null=True)),
                ('opened_at', models.DateTimeField(blank=True, null=True)),
                ('opened_by', models.TextField(blank=True, null=True)),
                ('held_at', models.DateTimeField(blank=True, null=True)),
                ('seconds_to_list', models.FloatField(blank=True, null=True)),
                ('n_units', models.BigIntegerField(blank=True, null=True)),
                ('n_accounted', models.BigIntegerField(blank=True, null=True)),
                ('n_patients', models.BigIntegerField(blank=True, null=True)),
                ('finding', models.TextField(blank=True, null=True)),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one recall at one centre, or one drill',
                'db_table': 'recalls',
            },
        ),
        migrations.CreateModel(
            name='RecallUnits',
            fields=[
                ('recall_unit_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('listed_at', models.DateTimeField(blank=True, null=True)),
                ('stated_fate', models.CharField(blank=True, max_length=80, null=True)),
                ('stated_by', models.TextField(blank=True, null=True)),
                ('stated_at', models.DateTimeField(blank=True, null=True)),
                ('note', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one unit that a recall reached',
                'db_table': 'recall_units',
            },
        ),
        migrations.CreateModel(
            name='Receipts',
            fields=[
                ('receipt_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('supplier', models.TextField(blank=True, null=True)),
                ('supplier_lot', models.TextField(blank=True, null=True)),
                ('product', models.CharField(max_length=80)),
                ('n_units', models.BigIntegerField(blank=True, null=True)),
                ('received_on', models.DateField()),
                ('arrival_celsius', models.FloatField(blank=True, null=True)),
                ('certificate', models.TextField(blank=True, null=True)),
                ('is_accepted', models.BooleanField(blank=True, null=True)),
                ('remark', models.TextField(blank=True, null=True)),
                ('received_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': "one delivery of a supplier's product",
                'db_table': 'receipts',
            },
        ),
        migrations.CreateModel(
            name='RecoveryCodes',
            fields=[
                ('code_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('account', models.TextField(blank=True, null=True)),
                ('mark', models.TextField(blank=True, null=True)),
                ('used_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one code for an account whose authenticator is lost',
                'db_table': 'recovery_codes',
            },
        ),
        migrations.CreateModel(
            name='Remedies',
            fields=[
                ('remedy_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=80)),
                ('task', models.TextField(blank=True, null=True)),
                ('owner', models.TextField(blank=True, null=True)),
                ('due_on', models.DateField()),
                ('done_on', models.DateField(blank=True, null=True)),
                ('done_by', models.TextField(blank=True, null=True)),
                ('outcome', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one corrective or preventive action on a deviation',
                'db_table': 'remedies',
            },
        ),
        migrations.CreateModel(
            name='ReportLinks',
            fields=[
                ('link_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('due', models.CharField(blank=True, max_length=80, null=True)),
                ('instruments', models.TextField(blank=True, null=True)),
                ('digest', models.TextField(blank=True, null=True)),
                ('draft', models.TextField(blank=True, null=True)),
                ('made_at', models.DateTimeField(blank=True, null=True)),
                ('made_by', models.TextField(blank=True, null=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one link by which one patient answers the questionnaires of one visit',
                'db_table': 'report_links',
            },
        ),
        migrations.CreateModel(
            name='RetentionSamples',
            fields=[
                ('sample_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=80)),
                ('volume_millilitres', models.FloatField(blank=True, null=True)),
                ('taken_on', models.DateField(blank=True, null=True)),
                ('keep_until_on', models.DateField(blank=True, null=True)),
                ('fate', models.CharField(blank=True, max_length=80, null=True)),
                ('gone_on', models.DateField(blank=True, null=True)),
                ('gone_reason', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one sample kept of a batch or of its stool',
                'db_table': 'retention_samples',
            },
        ),
        migrations.CreateModel(
            name='RuledPairs',
            fields=[
                ('ruling_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('ruling', models.CharField(max_length=80)),
                ('ruled_at', models.DateTimeField(blank=True, null=True)),
                ('ruled_by', models.TextField(blank=True, null=True)),
                ('reason', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one decision on whether two entries of the vault are one person',
                'db_table': 'ruled_pairs',
            },
        ),
        migrations.CreateModel(
            name='SecondFactors',
            fields=[
                ('factor_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('account', models.TextField(blank=True, null=True)),
                ('secret', models.TextField(blank=True, null=True)),
                ('confirmed_at', models.DateTimeField(blank=True, null=True)),
                ('last_step', models.BigIntegerField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'the second factor of an account',
                'db_table': 'second_factors',
            },
        ),
        migrations.CreateModel(
            name='SessionChecks',
            fields=[
                ('session_check_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
            ],
            options={
                'verbose_name': 'the check under which one session was given',
                'db_table': 'session_checks',
            },
        ),
        migrations.CreateModel(
            name='SessionClosings',
            fields=[
                ('closing_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('minutes', models.BigIntegerField(blank=True, null=True)),
                ('is_well', models.BooleanField(blank=True, null=True)),
                ('note', models.TextField(blank=True, null=True)),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'the end of the observation of one session',
                'db_table': 'session_closings',
            },
        ),
        migrations.CreateModel(
            name='Shipments',
            fields=[
                ('shipment_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('to_place', models.TextField(blank=True, null=True)),
                ('shipped_at', models.DateTimeField(blank=True, null=True)),
                ('shipped_by', models.TextField(blank=True, null=True)),
                ('carrier', models.TextField(blank=True, null=True)),
                ('received_at', models.DateTimeField(blank=True, null=True)),
                ('received_by', models.TextField(blank=True, null=True)),
                ('arrival_celsius', models.FloatField(blank=True, null=True)),
                ('is_cold_chain_unbroken', models.BooleanField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one unit on its way to another place',
                'db_table': 'shipments',
            },
        ),
        migrations.CreateModel(
            name='SignIns',
            fields=[
                ('sign_in_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('occurred_at', models.DateTimeField(blank=True, null=True)),
                ('account', models.TextField(blank=True, null=True)),
                ('event', models.CharField(max_length=80)),
                ('page', models.TextField(blank=True, null=True)),
                ('device', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one sign-in, one failure, or the end of a session',
                'db_table': 'sign_ins',
            },
        ),
        migrations.CreateModel(
            name='SiteJurisdictions',
            fields=[
                ('site_jurisdiction_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('jurisdiction', models.CharField(max_length=80)),
                ('set_at', models.DateTimeField(blank=True, null=True)),
                ('set_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'the law whose reporting clocks a centre keeps',
                'db_table': 'site_jurisdictions',
            },
        ),
        migrations.CreateModel(
            name='Temperatures',
            fields=[
                ('reading_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('read_at', models.DateTimeField(blank=True, null=True)),
                ('celsius', models.FloatField()),
                ('read_by', models.TextField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one reading of the temperature inside a freezer or refrigerator',
                'db_table': 'temperatures',
            },
        ),
        migrations.CreateModel(
            name='Tokens',
            fields=[
                ('token_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('username', models.TextField(blank=True, null=True)),
                ('name', models.TextField(blank=True, null=True)),
                ('digest', models.TextField(blank=True, null=True)),
                ('made_at', models.DateTimeField(blank=True, null=True)),
                ('expires_on', models.DateField()),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one personal token for the programming interface, of one person at one centre',
                'db_table': 'tokens',
            },
        ),
        migrations.CreateModel(
            name='Uploads',
            fields=[
                ('upload_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('source', models.TextField(blank=True, null=True)),
                ('file_name', models.TextField(blank=True, null=True)),
                ('format', models.CharField(max_length=80)),
                ('has_registry_ids', models.BooleanField(blank=True, null=True)),
                ('sha256', models.TextField(blank=True, null=True)),
                ('n_bytes', models.BigIntegerField(blank=True, null=True)),
                ('mapping', models.TextField(blank=True, null=True)),
                ('stage', models.CharField(max_length=80)),
                ('uploaded_by', models.TextField(blank=True, null=True)),
                ('uploaded_at', models.DateTimeField(blank=True, null=True)),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('n_added', models.BigIntegerField(blank=True, null=True)),
                ('n_changed', models.BigIntegerField(blank=True, null=True)),
                ('n_same', models.BigIntegerField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'one file laid before the registry, to be looked at and then imported or discarded',
                'db_table': 'uploads',
            },
        ),
        migrations.RemoveConstraint(
            model_name='membership',
            name='memberships_role_is_listed',
        ),
        migrations.AlterField(
            model_name='membership',
            name='role',
            field=models.CharField(choices=[('coordinator', 'Coordinator'), ('physician', 'Physician'), ('lab', 'Lab'), ('data_manager', 'Data Manager'), ('quality', 'Quality'), ('monitor', 'Monitor')], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['coordinator', 'physician', 'lab', 'data_manager', 'quality', 'monitor'])), name='memberships_role_is_listed'),
        ),
        migrations.AddField(
            model_name='accesses',
            name='donor',
            field=models.ForeignKey(blank=True, db_column='donor_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.donors'),
        ),
        migrations.AddField(
            model_name='accesses',
            name='patient',
            field=models.ForeignKey(blank=True, db_column='patient_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.patients'),
        ),
        migrations.AddField(
            model_name='accesses',
            name='site',
            field=models.ForeignKey(blank=True, db_column='site_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='aeassessments',
            name='adverse_event',
            field=models.ForeignKey(db_column='adverse_event_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.adverseevents'),
        ),
        migrations.AddField(
            model_name='aereports',
            name='adverse_event',
            field=models.ForeignKey(db_column='adverse_event_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.adverseevents'),
        ),
        migrations.AddField(
            model_name='attachments',
            name='consent',
            field=models.ForeignKey(blank=True, db_column='consent_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.consents'),
        ),
        migrations.AddField(
            model_name='attachments',
            name='donor',
            field=models.ForeignKey(blank=True, db_column='donor_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.donors'),
        ),
        migrations.AddField(
            model_name='attachments',
            name='patient',
            field=models.ForeignKey(blank=True, db_column='patient_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.patients'),
        ),
        migrations.AddField(
            model_name='attachments',
            name='site',
            field=models.ForeignKey(blank=True, db_column='site_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='batchdonations',
            name='batch',
            field=models.ForeignKey(db_column='batch_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.batches'),
        ),
        migrations.AddField(
            model_name='batchdonations',
            name='donation',
            field=models.ForeignKey(db_column='donation_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.donations'),
        ),
        migrations.AddField(
            model_name='batchequipment',
            name='batch',
            field=models.ForeignKey(db_column='batch_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.batches'),
        ),
        migrations.AddField(
            model_name='batchlots',
            name='batch',
            field=models.ForeignKey(db_column='batch_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.batches'),
        ),
        migrations.AddField(
            model_name='checklists',
            name='patient',
            field=models.ForeignKey(db_column='patient_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.patients'),
        ),
        migrations.AddField(
            model_name='consentscopes',
            name='consent',
            field=models.ForeignKey(db_column='consent_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.consents'),
        ),
        migrations.AddField(
            model_name='consenttexts',
            name='attachment',
            field=models.ForeignKey(blank=True, db_column='attachment_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.attachments'),
        ),
        migrations.AddField(
            model_name='consenttexts',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='consumablelots',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='batchlots',
            name='lot',
            field=models.ForeignKey(db_column='lot_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.consumablelots'),
        ),
        migrations.AddField(
            model_name='deviations',
            name='batch',
            field=models.ForeignKey(blank=True, db_column='batch_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.batches'),
        ),
        migrations.AddField(
            model_name='deviations',
            name='donor',
            field=models.ForeignKey(blank=True, db_column='donor_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.donors'),
        ),
        migrations.AddField(
            model_name='deviations',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='deviations',
            name='unit',
            field=models.ForeignKey(blank=True, db_column='unit_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.units'),
        ),
        migrations.AddField(
            model_name='donordecisions',
            name='donor',
            field=models.ForeignKey(db_column='donor_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.donors'),
        ),
        migrations.AddField(
            model_name='equipment',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='deviations',
            name='equipment',
            field=models.ForeignKey(blank=True, db_column='equipment_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.equipment'),
        ),
        migrations.AddField(
            model_name='batchequipment',
            name='equipment',
            field=models.ForeignKey(db_column='equipment_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.equipment'),
        ),
        migrations.AddField(
            model_name='excursions',
            name='equipment',
            field=models.ForeignKey(db_column='equipment_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.equipment'),
        ),
        migrations.AddField(
            model_name='excursionunits',
            name='excursion',
            field=models.ForeignKey(db_column='excursion_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.excursions'),
        ),
        migrations.AddField(
            model_name='excursionunits',
            name='hold',
            field=models.ForeignKey(db_column='hold_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.holds'),
        ),
        migrations.AddField(
            model_name='excursionunits',
            name='unit',
            field=models.ForeignKey(db_column='unit_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.units'),
        ),
        migrations.AddField(
            model_name='findings',
            name='patient',
            field=models.ForeignKey(db_column='patient_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.patients'),
        ),
        migrations.AddField(
            model_name='identities',
            name='donor',
            field=models.ForeignKey(blank=True, db_column='donor_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.donors'),
        ),
        migrations.AddField(
            model_name='identities',
            name='patient',
            field=models.ForeignKey(blank=True, db_column='patient_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.patients'),
        ),
        migrations.AddConstraint(
            model_name='jobs',
            constraint=models.CheckConstraint(condition=models.Q(('attempts__gte', 0)), name='jobs_attempts_minimum'),
        ),
        migrations.AddConstraint(
            model_name='jobs',
            constraint=models.UniqueConstraint(fields=('done_at', 'due_at', 'job_id'), name='jobs_in_order'),
        ),
        migrations.AddField(
            model_name='lookbackrulings',
            name='adverse_event',
            field=models.ForeignKey(db_column='adverse_event_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.adverseevents'),
        ),
        migrations.AddField(
            model_name='mappings',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='medicationreviews',
            name='patient',
            field=models.ForeignKey(db_column='patient_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.patients'),
        ),
        migrations.AddField(
            model_name='medicationreviews',
            name='visit',
            field=models.ForeignKey(blank=True, db_column='visit_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.visits'),
        ),
        migrations.AddField(
            model_name='observations',
            name='session',
            field=models.ForeignKey(db_column='session_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sessions'),
        ),
        migrations.AddField(
            model_name='origins',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='placements',
            name='ended_by',
            field=models.ForeignKey(blank=True, db_column='ended_by', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.custody'),
        ),
        migrations.AddField(
            model_name='placements',
            name='unit',
            field=models.ForeignKey(blank=True, db_column='unit_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.units'),
        ),
        migrations.AddField(
            model_name='places',
            name='equipment',
            field=models.ForeignKey(db_column='equipment_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.equipment'),
        ),
        migrations.AddField(
            model_name='places',
            name='parent',
            field=models.ForeignKey(blank=True, db_column='parent_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.places'),
        ),
        migrations.AddField(
            model_name='placements',
            name='box',
            field=models.ForeignKey(db_column='box_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.places'),
        ),
        migrations.AddField(
            model_name='plannedsessions',
            name='patient',
            field=models.ForeignKey(db_column='patient_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.patients'),
        ),
        migrations.AddField(
            model_name='plannedsessions',
            name='session',
            field=models.ForeignKey(blank=True, db_column='session_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sessions'),
        ),
        migrations.AddField(
            model_name='processings',
            name='batch',
            field=models.ForeignKey(db_column='batch_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.batches'),
        ),
        migrations.AddField(
            model_name='processings',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='proposals',
            name='patient',
            field=models.ForeignKey(db_column='patient_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.patients'),
        ),
        migrations.AddField(
            model_name='proposalrulings',
            name='proposal',
            field=models.ForeignKey(db_column='proposal_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.proposals'),
        ),
        migrations.AddField(
            model_name='recallpatients',
            name='patient',
            field=models.ForeignKey(db_column='patient_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.patients'),
        ),
        migrations.AddField(
            model_name='recallcontacts',
            name='recall_patient',
            field=models.ForeignKey(db_column='recall_patient_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.recallpatients'),
        ),
        migrations.AddField(
            model_name='recalls',
            name='adverse_event',
            field=models.ForeignKey(blank=True, db_column='adverse_event_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.adverseevents'),
        ),
        migrations.AddField(
            model_name='recalls',
            name='batch',
            field=models.ForeignKey(blank=True, db_column='batch_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.batches'),
        ),
        migrations.AddField(
            model_name='recalls',
            name='donation',
            field=models.ForeignKey(blank=True, db_column='donation_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.donations'),
        ),
        migrations.AddField(
            model_name='recalls',
            name='donor',
            field=models.ForeignKey(blank=True, db_column='donor_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.donors'),
        ),
        migrations.AddField(
            model_name='recalls',
            name='origin',
            field=models.ForeignKey(blank=True, db_column='origin_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.recalls'),
        ),
        migrations.AddField(
            model_name='recalls',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='recalls',
            name='unit',
            field=models.ForeignKey(blank=True, db_column='unit_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.units'),
        ),
        migrations.AddField(
            model_name='recallpatients',
            name='recall',
            field=models.ForeignKey(db_column='recall_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.recalls'),
        ),
        migrations.AddField(
            model_name='recallunits',
            name='recall',
            field=models.ForeignKey(db_column='recall_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.recalls'),
        ),
        migrations.AddField(
            model_name='recallunits',
            name='unit',
            field=models.ForeignKey(db_column='unit_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.units'),
        ),
        migrations.AddField(
            model_name='receipts',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddConstraint(
            model_name='recoverycodes',
            constraint=models.UniqueConstraint(fields=('account', 'mark'), name='recovery_codes_of_an_account'),
        ),
        migrations.AddField(
            model_name='remedies',
            name='deviation',
            field=models.ForeignKey(db_column='deviation_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.deviations'),
        ),
        migrations.AddField(
            model_name='reportlinks',
            name='patient',
            field=models.ForeignKey(db_column='patient_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.patients'),
        ),
        migrations.AddField(
            model_name='reportlinks',
            name='visit',
            field=models.ForeignKey(blank=True, db_column='visit_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.visits'),
        ),
        migrations.AddField(
            model_name='retentionsamples',
            name='batch',
            field=models.ForeignKey(db_column='batch_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.batches'),
        ),
        migrations.AddField(
            model_name='retentionsamples',
            name='donation',
            field=models.ForeignKey(blank=True, db_column='donation_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.donations'),
        ),
        migrations.AddField(
            model_name='retentionsamples',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='placements',
            name='sample',
            field=models.ForeignKey(blank=True, db_column='sample_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.retentionsamples'),
        ),
        migrations.AddField(
            model_name='ruledpairs',
            name='identity',
            field=models.ForeignKey(db_column='identity_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.identities'),
        ),
        migrations.AddField(
            model_name='ruledpairs',
            name='other',
            field=models.ForeignKey(db_column='other_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.identities'),
        ),
        migrations.AddConstraint(
            model_name='secondfactors',
            constraint=models.CheckConstraint(condition=models.Q(('last_step__gte', 0)), name='second_factors_last_step_minimum'),
        ),
        migrations.AddConstraint(
            model_name='secondfactors',
            constraint=models.UniqueConstraint(fields=('account',), name='second_factors_once_for_an_account'),
        ),
        migrations.AddField(
            model_name='sessionchecks',
            name='checklist',
            field=models.ForeignKey(db_column='checklist_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.checklists'),
        ),
        migrations.AddField(
            model_name='sessionchecks',
            name='session',
            field=models.ForeignKey(db_column='session_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sessions'),
        ),
        migrations.AddField(
            model_name='sessionclosings',
            name='session',
            field=models.ForeignKey(db_column='session_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sessions'),
        ),
        migrations.AddField(
            model_name='shipments',
            name='from_site',
            field=models.ForeignKey(db_column='from_site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='shipments',
            name='to_site',
            field=models.ForeignKey(blank=True, db_column='to_site_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='shipments',
            name='unit',
            field=models.ForeignKey(db_column='unit_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.units'),
        ),
        migrations.AddConstraint(
            model_name='signins',
            constraint=models.CheckConstraint(condition=models.Q(('event__in', ['signed_in', 'password_given', 'password_set', 'password_changed', 'wrong_password', 'wrong_code', 'locked', 'signed_out', 'ended', 'timed_out'])), name='sign_ins_event_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='signins',
            constraint=models.UniqueConstraint(fields=('account', 'sign_in_id'), name='sign_ins_of_an_account'),
        ),
        migrations.AddField(
            model_name='sitejurisdictions',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='temperatures',
            name='equipment',
            field=models.ForeignKey(db_column='equipment_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.equipment'),
        ),
        migrations.AddField(
            model_name='tokens',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='uploads',
            name='site',
            field=models.ForeignKey(db_column='site_id', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.sites'),
        ),
        migrations.AddField(
            model_name='origins',
            name='upload',
            field=models.ForeignKey(blank=True, db_column='upload_id', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='registry.uploads'),
        ),
        migrations.AddConstraint(
            model_name='accesses',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['page', 'export', 'vault'])), name='accesses_kind_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='accesses',
            constraint=models.CheckConstraint(condition=models.Q(('n_rows__gte', 0)), name='accesses_n_rows_minimum'),
        ),
        migrations.AddConstraint(
            model_name='accesses',
            constraint=models.UniqueConstraint(fields=('seen_at', 'access_id'), name='accesses_in_order'),
        ),
        migrations.AddConstraint(
            model_name='accesses',
            constraint=models.UniqueConstraint(fields=('actor', 'seen_at', 'access_id'), name='accesses_of_an_account'),
        ),
        migrations.AddConstraint(
            model_name='aeassessments',
            constraint=models.CheckConstraint(condition=models.Q(('view__in', ['reporter', 'blinded'])), name='ae_assessments_view_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='aeassessments',
            constraint=models.CheckConstraint(condition=models.Q(('related_to__in', ['delivery', 'microbiota', 'disease', 'concomitant', 'other'])), name='ae_assessments_related_to_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='aeassessments',
            constraint=models.UniqueConstraint(fields=('adverse_event', 'judged_by'), name='ae_assessments_once_a_person'),
        ),
        migrations.AddConstraint(
            model_name='aereports',
            constraint=models.UniqueConstraint(fields=('adverse_event', 'duty'), name='ae_reports_once_a_duty'),
        ),
        migrations.AddConstraint(
            model_name='aereports',
            constraint=models.CheckConstraint(condition=models.Q(('duty__isnull', False)), name='ae_reports_name_a_duty'),
        ),
        migrations.AddConstraint(
            model_name='attachments',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['consent_text', 'signed_consent', 'laboratory_report', 'letter', 'certificate', 'other'])), name='attachments_kind_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='attachments',
            constraint=models.CheckConstraint(condition=models.Q(('media_type__in', ['application/pdf', 'image/png', 'image/jpeg'])), name='attachments_media_type_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='attachments',
            constraint=models.CheckConstraint(condition=models.Q(('n_bytes__gte', 1)), name='attachments_n_bytes_minimum'),
        ),
        migrations.AddConstraint(
            model_name='attachments',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('donor__isnull', True), ('patient__isnull', False), ('site__isnull', True)), models.Q(('donor__isnull', False), ('patient__isnull', True), ('site__isnull', True)), models.Q(('donor__isnull', True), ('patient__isnull', True), ('site__isnull', False)), _connector='OR'), name='attachments_of_one_owner'),
        ),
        migrations.AddConstraint(
            model_name='batchdonations',
            constraint=models.CheckConstraint(condition=models.Q(('mass_grams__gte', 0)), name='batch_donations_mass_grams_minimum'),
        ),
        migrations.AddConstraint(
            model_name='batchdonations',
            constraint=models.CheckConstraint(condition=models.Q(('mass_grams__lte', 2000)), name='batch_donations_mass_grams_maximum'),
        ),
        migrations.AddConstraint(
            model_name='batchdonations',
            constraint=models.UniqueConstraint(fields=('batch', 'donation'), name='batch_donations_once'),
        ),
        migrations.AddConstraint(
            model_name='batchdonations',
            constraint=models.CheckConstraint(condition=models.Q(('mass_grams__isnull', True), ('mass_grams__gt', 0), _connector='OR'), name='batch_donations_of_some_mass'),
        ),
        migrations.AddConstraint(
            model_name='checklists',
            constraint=models.CheckConstraint(condition=models.Q(('route__in', ['colonoscopy', 'flexible_sigmoidoscopy', 'retention_enema', 'nasogastric', 'nasoduodenal', 'nasojejunal', 'gastroscopy_duodenal', 'peg_pej_jejunostomy', 'stoma_distal_limb', 'oral_capsule_frozen', 'oral_capsule_lyophilised', 'colonic_tet', 'midgut_tet'])), name='checklists_route_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='checklists',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['passed', 'overridden', 'blocked'])), name='checklists_outcome_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='checklists',
            constraint=models.CheckConstraint(condition=models.Q(('override_code__in', ['benefit_outweighs_risk', 'checked_by_other_means', 'emergency', 'not_applicable_here', 'other'])), name='checklists_override_code_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='checklists',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('outcome', 'overridden'), _negated=True), models.Q(('overridden_by__isnull', False), ('override_code__isnull', False), ('override_reason__isnull', False)), _connector='OR'), name='checklists_overridden_by_somebody_for_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='consentscopes',
            constraint=models.CheckConstraint(condition=models.Q(('scope__in', ['treatment', 'prospective_study', 'retrospective_study', 'donation', 'biobank', 'data_sharing', 'contact_again'])), name='consent_scopes_scope_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='consentscopes',
            constraint=models.UniqueConstraint(fields=('consent', 'scope'), name='consent_scopes_once'),
        ),
        migrations.AddConstraint(
            model_name='consenttexts',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['informed_signed', 'data_use_signed', 'waiver_irb', 'guardian_permission', 'assent', 'donor_consent', 'biobank_future', 'data_sharing'])), name='consent_texts_type_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='consenttexts',
            constraint=models.UniqueConstraint(fields=('site', 'type', 'version', 'language'), name='consent_texts_once_for_a_centre'),
        ),
        migrations.AddConstraint(
            model_name='consenttexts',
            constraint=models.CheckConstraint(condition=models.Q(('language__isnull', False), ('version__isnull', False)), name='consent_texts_are_named'),
        ),
        migrations.AddConstraint(
            model_name='consenttexts',
            constraint=models.CheckConstraint(condition=models.Q(('valid_from_on__lte', models.F('valid_until_on')), ('valid_from_on__isnull', True), ('valid_until_on__isnull', True), _connector='OR'), name='consent_texts_valid_from_on_not_after_valid_until_on'),
        ),
        migrations.AddConstraint(
            model_name='consumablelots',
            constraint=models.CheckConstraint(condition=models.Q(('item__in', ['diluent', 'glycerol', 'filter', 'capsule', 'container', 'label', 'other'])), name='consumable_lots_item_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='consumablelots',
            constraint=models.UniqueConstraint(fields=('site', 'item', 'lot'), name='consumable_lots_once_at_a_centre'),
        ),
        migrations.AddConstraint(
            model_name='consumablelots',
            constraint=models.CheckConstraint(condition=models.Q(('lot__isnull', False)), name='consumable_lots_have_a_number'),
        ),
        migrations.AddConstraint(
            model_name='batchlots',
            constraint=models.UniqueConstraint(fields=('batch', 'lot'), name='batch_lots_once'),
        ),
        migrations.AddConstraint(
            model_name='donordecisions',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['candidate', 'eligible', 'deferred', 'excluded', 'retired'])), name='donor_decisions_status_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='donordecisions',
            constraint=models.CheckConstraint(condition=models.Q(('reason_code__in', ['screening_complete', 'questionnaire_finding', 'test_finding', 'illness_or_drug', 'travel_or_exposure', 'material_unsuitable', 'moved_away', 'no_answer', 'own_wish', 'programme_full', 'other'])), name='donor_decisions_reason_code_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='equipment',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['freezer', 'refrigerator', 'safety_cabinet', 'anaerobic_chamber', 'centrifuge', 'water_bath', 'balance', 'other'])), name='equipment_kind_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='equipment',
            constraint=models.CheckConstraint(condition=models.Q(('warmest_celsius__gte', -200)), name='equipment_warmest_celsius_minimum'),
        ),
        migrations.AddConstraint(
            model_name='equipment',
            constraint=models.CheckConstraint(condition=models.Q(('warmest_celsius__lte', 60)), name='equipment_warmest_celsius_maximum'),
        ),
        migrations.AddConstraint(
            model_name='equipment',
            constraint=models.UniqueConstraint(fields=('site', 'name'), name='equipment_named_once_at_a_centre'),
        ),
        migrations.AddConstraint(
            model_name='equipment',
            constraint=models.CheckConstraint(condition=models.Q(('name__isnull', False)), name='equipment_has_a_name'),
        ),
        migrations.AddConstraint(
            model_name='deviations',
            constraint=models.CheckConstraint(condition=models.Q(('severity__in', ['minor', 'major', 'critical'])), name='deviations_severity_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='deviations',
            constraint=models.CheckConstraint(condition=models.Q(('account__isnull', False)), name='deviations_say_what_happened'),
        ),
        migrations.AddConstraint(
            model_name='deviations',
            constraint=models.CheckConstraint(condition=models.Q(('closed_on__isnull', True), models.Q(('closed_at__isnull', False), ('closed_by__isnull', False), ('effectiveness__isnull', False), ('is_effective', True), ('root_cause__isnull', False)), _connector='OR'), name='deviations_closed_only_when_done'),
        ),
        migrations.AddConstraint(
            model_name='deviations',
            constraint=models.CheckConstraint(condition=models.Q(('happened_on__lte', models.F('found_on')), ('happened_on__isnull', True), ('found_on__isnull', True), _connector='OR'), name='deviations_happened_on_not_after_found_on'),
        ),
        migrations.AddConstraint(
            model_name='deviations',
            constraint=models.CheckConstraint(condition=models.Q(('found_on__lte', models.F('closed_on')), ('found_on__isnull', True), ('closed_on__isnull', True), _connector='OR'), name='deviations_found_on_not_after_closed_on'),
        ),
        migrations.AddConstraint(
            model_name='batchequipment',
            constraint=models.UniqueConstraint(fields=('batch', 'equipment'), name='batch_equipment_once'),
        ),
        migrations.AddConstraint(
            model_name='excursions',
            constraint=models.CheckConstraint(condition=models.Q(('peak_celsius__gte', -200)), name='excursions_peak_celsius_minimum'),
        ),
        migrations.AddConstraint(
            model_name='excursions',
            constraint=models.CheckConstraint(condition=models.Q(('peak_celsius__lte', 60)), name='excursions_peak_celsius_maximum'),
        ),
        migrations.AddConstraint(
            model_name='excursions',
            constraint=models.CheckConstraint(condition=models.Q(('began_at__lte', models.F('ended_at')), ('began_at__isnull', True), ('ended_at__isnull', True), _connector='OR'), name='excursions_began_at_not_after_ended_at'),
        ),
        migrations.AddConstraint(
            model_name='excursionunits',
            constraint=models.CheckConstraint(condition=models.Q(('disposition__in', ['usable', 'discard'])), name='excursion_units_disposition_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='excursionunits',
            constraint=models.UniqueConstraint(fields=('excursion', 'unit'), name='excursion_units_once'),
        ),
        migrations.AddConstraint(
            model_name='excursionunits',
            constraint=models.CheckConstraint(condition=models.Q(('disposition__isnull', True), models.Q(('decided_by__isnull', False), ('decided_on__isnull', False), ('rationale__isnull', False)), _connector='OR'), name='excursion_units_decided_with_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='findings',
            constraint=models.CheckConstraint(condition=models.Q(('fact__isnull', False), models.Q(models.Q(('is_so__isnull', False), ('value__isnull', True)), models.Q(('is_so__isnull', True), ('value__isnull', False)), _connector='OR')), name='findings_answer_one_question'),
        ),
        migrations.AddConstraint(
            model_name='identities',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('donor__isnull', True), ('patient__isnull', False)), models.Q(('donor__isnull', False), ('patient__isnull', True)), _connector='OR'), name='identities_of_one_person'),
        ),
        migrations.AddConstraint(
            model_name='identities',
            constraint=models.UniqueConstraint(fields=('patient',), name='identities_once_for_a_patient'),
        ),
        migrations.AddConstraint(
            model_name='identities',
            constraint=models.UniqueConstraint(fields=('donor',), name='identities_once_for_a_donor'),
        ),
        migrations.AddConstraint(
            model_name='mappings',
            constraint=models.UniqueConstraint(fields=('site', 'name'), name='mappings_once_for_a_centre'),
        ),
        migrations.AddConstraint(
            model_name='medicationreviews',
            constraint=models.CheckConstraint(condition=models.Q(('asked_of__in', ['patient', 'carer', 'hospital_record', 'general_practitioner', 'pharmacy'])), name='medication_reviews_asked_of_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='medicationreviews',
            constraint=models.CheckConstraint(condition=models.Q(('n_taken__gte', 0)), name='medication_reviews_n_taken_minimum'),
        ),
        migrations.AddConstraint(
            model_name='observations',
            constraint=models.CheckConstraint(condition=models.Q(('temperature__gte', 30)), name='observations_temperature_minimum'),
        ),
        migrations.AddConstraint(
            model_name='observations',
            constraint=models.CheckConstraint(condition=models.Q(('temperature__lte', 45)), name='observations_temperature_maximum'),
        ),
        migrations.AddConstraint(
            model_name='observations',
            constraint=models.CheckConstraint(condition=models.Q(('pulse__gte', 20)), name='observations_pulse_minimum'),
        ),
        migrations.AddConstraint(
            model_name='observations',
            constraint=models.CheckConstraint(condition=models.Q(('pulse__lte', 300)), name='observations_pulse_maximum'),
        ),
        migrations.AddConstraint(
            model_name='observations',
            constraint=models.CheckConstraint(condition=models.Q(('systolic__gte', 30)), name='observations_systolic_minimum'),
        ),
        migrations.AddConstraint(
            model_name='observations',
            constraint=models.CheckConstraint(condition=models.Q(('systolic__lte', 300)), name='observations_systolic_maximum'),
        ),
        migrations.AddConstraint(
            model_name='observations',
            constraint=models.CheckConstraint(condition=models.Q(('diastolic__gte', 10)), name='observations_diastolic_minimum'),
        ),
        migrations.AddConstraint(
            model_name='observations',
            constraint=models.CheckConstraint(condition=models.Q(('diastolic__lte', 200)), name='observations_diastolic_maximum'),
        ),
        migrations.AddConstraint(
            model_name='observations',
            constraint=models.CheckConstraint(condition=models.Q(('saturation__gte', 30)), name='observations_saturation_minimum'),
        ),
        migrations.AddConstraint(
            model_name='observations',
            constraint=models.CheckConstraint(condition=models.Q(('saturation__lte', 100)), name='observations_saturation_maximum'),
        ),
        migrations.AddConstraint(
            model_name='places',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['shelf', 'rack', 'box'])), name='places_kind_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='places',
            constraint=models.CheckConstraint(condition=models.Q(('n_rows__gte', 1)), name='places_n_rows_minimum'),
        ),
        migrations.AddConstraint(
            model_name='places',
            constraint=models.CheckConstraint(condition=models.Q(('n_rows__lte', 26)), name='places_n_rows_maximum'),
        ),
        migrations.AddConstraint(
            model_name='places',
            constraint=models.CheckConstraint(condition=models.Q(('n_columns__gte', 1)), name='places_n_columns_minimum'),
        ),
        migrations.AddConstraint(
            model_name='places',
            constraint=models.CheckConstraint(condition=models.Q(('n_columns__lte', 40)), name='places_n_columns_maximum'),
        ),
        migrations.AddConstraint(
            model_name='places',
            constraint=models.UniqueConstraint(fields=('equipment', 'parent', 'name'), name='places_named_once_in_a_place'),
        ),
        migrations.AddConstraint(
            model_name='places',
            constraint=models.UniqueConstraint(condition=models.Q(('parent__isnull', True)), fields=('equipment', 'name'), name='places_named_once_in_a_freezer'),
        ),
        migrations.AddConstraint(
            model_name='places',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'box'), ('n_columns__isnull', False), ('n_rows__isnull', False)), models.Q(models.Q(('kind', 'box'), _negated=True), ('n_columns__isnull', True), ('n_rows__isnull', True)), _connector='OR'), name='places_that_are_boxes_have_a_grid'),
        ),
        migrations.AddConstraint(
            model_name='places',
            constraint=models.CheckConstraint(condition=models.Q(('name__isnull', False)), name='places_have_a_name'),
        ),
        migrations.AddConstraint(
            model_name='plannedsessions',
            constraint=models.CheckConstraint(condition=models.Q(('number__gte', 1)), name='planned_sessions_number_minimum'),
        ),
        migrations.AddConstraint(
            model_name='plannedsessions',
            constraint=models.CheckConstraint(condition=models.Q(('number__lte', 400)), name='planned_sessions_number_maximum'),
        ),
        migrations.AddConstraint(
            model_name='plannedsessions',
            constraint=models.CheckConstraint(condition=models.Q(('route__in', ['colonoscopy', 'flexible_sigmoidoscopy', 'retention_enema', 'nasogastric', 'nasoduodenal', 'nasojejunal', 'gastroscopy_duodenal', 'peg_pej_jejunostomy', 'stoma_distal_limb', 'oral_capsule_frozen', 'oral_capsule_lyophilised', 'colonic_tet', 'midgut_tet'])), name='planned_sessions_route_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='plannedsessions',
            constraint=models.CheckConstraint(condition=models.Q(('session__isnull', True), ('cancelled_on__isnull', True), _connector='OR'), name='planned_sessions_given_or_cancelled'),
        ),
        migrations.AddConstraint(
            model_name='processings',
            constraint=models.CheckConstraint(condition=models.Q(('temperature_celsius__gte', -30)), name='processings_temperature_celsius_minimum'),
        ),
        migrations.AddConstraint(
            model_name='processings',
            constraint=models.CheckConstraint(condition=models.Q(('temperature_celsius__lte', 60)), name='processings_temperature_celsius_maximum'),
        ),
        migrations.AddConstraint(
            model_name='processings',
            constraint=models.CheckConstraint(condition=models.Q(('n_donations__gte', 1)), name='processings_n_donations_minimum'),
        ),
        migrations.AddConstraint(
            model_name='processings',
            constraint=models.UniqueConstraint(fields=('batch',), name='processings_once_for_a_batch'),
        ),
        migrations.AddConstraint(
            model_name='processings',
            constraint=models.CheckConstraint(condition=models.Q(('started_at__lte', models.F('ended_at')), ('started_at__isnull', True), ('ended_at__isnull', True), _connector='OR'), name='processings_started_at_not_after_ended_at'),
        ),
        migrations.AddConstraint(
            model_name='proposals',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['match', 'care_plan', 'replan'])), name='proposals_kind_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='proposals',
            constraint=models.CheckConstraint(condition=models.Q(('route__in', ['colonoscopy', 'flexible_sigmoidoscopy', 'retention_enema', 'nasogastric', 'nasoduodenal', 'nasojejunal', 'gastroscopy_duodenal', 'peg_pej_jejunostomy', 'stoma_distal_limb', 'oral_capsule_frozen', 'oral_capsule_lyophilised', 'colonic_tet', 'midgut_tet'])), name='proposals_route_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='proposalrulings',
            constraint=models.CheckConstraint(condition=models.Q(('decision__in', ['signed', 'refused'])), name='proposal_rulings_decision_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='proposalrulings',
            constraint=models.CheckConstraint(condition=models.Q(('reason_code__in', ['patient_declined', 'clinical_judgement', 'donor_not_acceptable', 'route_not_acceptable', 'dose_not_acceptable', 'information_missing', 'material_not_available', 'record_wrong', 'other'])), name='proposal_rulings_reason_code_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='proposalrulings',
            constraint=models.UniqueConstraint(fields=('proposal',), name='proposal_rulings_once'),
        ),
        migrations.AddConstraint(
            model_name='proposalrulings',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decision', 'refused'), _negated=True), ('reason_code__isnull', False), _connector='OR'), name='proposal_rulings_refused_for_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='recallcontacts',
            constraint=models.CheckConstraint(condition=models.Q(('way__in', ['telephone', 'visit', 'letter', 'message', 'through_physician'])), name='recall_contacts_way_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='recallcontacts',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['well', 'ill', 'died', 'declined', 'not_found', 'no_answer'])), name='recall_contacts_outcome_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='recallcontacts',
            constraint=models.CheckConstraint(condition=models.Q(('contacted_at__isnull', False)), name='recall_contacts_are_dated'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['infection_suspected', 'late_positive', 'donor_illness', 'defect', 'cold_chain', 'label_error', 'other'])), name='recalls_kind_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.CheckConstraint(condition=models.Q(('severity__in', ['critical', 'major', 'minor'])), name='recalls_severity_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.CheckConstraint(condition=models.Q(('mode__in', ['recall', 'drill'])), name='recalls_mode_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.CheckConstraint(condition=models.Q(('seconds_to_list__gte', 0)), name='recalls_seconds_to_list_minimum'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.CheckConstraint(condition=models.Q(('n_units__gte', 0)), name='recalls_n_units_minimum'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.CheckConstraint(condition=models.Q(('n_accounted__gte', 0)), name='recalls_n_accounted_minimum'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.CheckConstraint(condition=models.Q(('n_patients__gte', 0)), name='recalls_n_patients_minimum'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('batch__isnull', True), ('donation__isnull', True), ('donor__isnull', True), ('unit__isnull', False)), models.Q(('batch__isnull', False), ('donation__isnull', True), ('donor__isnull', True), ('unit__isnull', True)), models.Q(('batch__isnull', True), ('donation__isnull', True), ('donor__isnull', False), ('unit__isnull', True)), models.Q(('batch__isnull', True), ('donation__isnull', False), ('donor__isnull', True), ('unit__isnull', True)), ('origin__isnull', False), _connector='OR'), name='recalls_start_at_one_thing'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.CheckConstraint(condition=models.Q(('account__isnull', False), ('detected_at__isnull', False)), name='recalls_say_what_is_known'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.CheckConstraint(condition=models.Q(('closed_at__isnull', True), models.Q(('closed_by__isnull', False), ('finding__isnull', False)), _connector='OR'), name='recalls_closed_with_a_finding'),
        ),
        migrations.AddConstraint(
            model_name='recalls',
            constraint=models.UniqueConstraint(condition=models.Q(('origin__isnull', False)), fields=('origin', 'site'), name='recalls_once_for_a_centre'),
        ),
        migrations.AddConstraint(
            model_name='recallpatients',
            constraint=models.UniqueConstraint(fields=('recall', 'patient'), name='recall_patients_once'),
        ),
        migrations.AddConstraint(
            model_name='recallunits',
            constraint=models.CheckConstraint(condition=models.Q(('stated_fate__in', ['destroyed', 'returned', 'given', 'lost'])), name='recall_units_stated_fate_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='recallunits',
            constraint=models.UniqueConstraint(fields=('recall', 'unit'), name='recall_units_once'),
        ),
        migrations.AddConstraint(
            model_name='recallunits',
            constraint=models.CheckConstraint(condition=models.Q(('stated_fate__isnull', True), models.Q(('note__isnull', False), ('stated_by__isnull', False)), _connector='OR'), name='recall_units_stated_with_a_note'),
        ),
        migrations.AddConstraint(
            model_name='receipts',
            constraint=models.CheckConstraint(condition=models.Q(('n_units__gte', 1)), name='receipts_n_units_minimum'),
        ),
        migrations.AddConstraint(
            model_name='receipts',
            constraint=models.CheckConstraint(condition=models.Q(('n_units__lte', 500)), name='receipts_n_units_maximum'),
        ),
        migrations.AddConstraint(
            model_name='receipts',
            constraint=models.CheckConstraint(condition=models.Q(('arrival_celsius__gte', -200)), name='receipts_arrival_celsius_minimum'),
        ),
        migrations.AddConstraint(
            model_name='receipts',
            constraint=models.CheckConstraint(condition=models.Q(('arrival_celsius__lte', 60)), name='receipts_arrival_celsius_maximum'),
        ),
        migrations.AddConstraint(
            model_name='receipts',
            constraint=models.CheckConstraint(condition=models.Q(('supplier__isnull', False), ('supplier_lot__isnull', False)), name='receipts_name_supplier_and_lot'),
        ),
        migrations.AddConstraint(
            model_name='remedies',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['corrective', 'preventive'])), name='remedies_kind_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='remedies',
            constraint=models.CheckConstraint(condition=models.Q(('owner__isnull', False), ('task__isnull', False)), name='remedies_have_task_and_owner'),
        ),
        migrations.AddConstraint(
            model_name='remedies',
            constraint=models.CheckConstraint(condition=models.Q(('done_on__isnull', True), models.Q(('done_by__isnull', False), ('outcome__isnull', False)), _connector='OR'), name='remedies_done_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='reportlinks',
            constraint=models.UniqueConstraint(fields=('digest',), name='report_links_once'),
        ),
        migrations.AddConstraint(
            model_name='reportlinks',
            constraint=models.CheckConstraint(condition=models.Q(('sent_at__isnull', True), ('revoked_at__isnull', True), _connector='OR'), name='report_links_sent_or_revoked'),
        ),
        migrations.AddConstraint(
            model_name='reportlinks',
            constraint=models.CheckConstraint(condition=models.Q(('draft__isnull', True), models.Q(('revoked_at__isnull', True), ('sent_at__isnull', True)), _connector='OR'), name='report_links_keep_no_draft_when_closed'),
        ),
        migrations.AddConstraint(
            model_name='reportlinks',
            constraint=models.CheckConstraint(condition=models.Q(('sent_at__isnull', True), ('visit__isnull', False), _connector='OR'), name='report_links_sent_to_a_visit'),
        ),
        migrations.AddConstraint(
            model_name='retentionsamples',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['product', 'raw_stool'])), name='retention_samples_kind_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='retentionsamples',
            constraint=models.CheckConstraint(condition=models.Q(('volume_millilitres__gte', 0)), name='retention_samples_volume_millilitres_minimum'),
        ),
        migrations.AddConstraint(
            model_name='retentionsamples',
            constraint=models.CheckConstraint(condition=models.Q(('volume_millilitres__lte', 500)), name='retention_samples_volume_millilitres_maximum'),
        ),
        migrations.AddConstraint(
            model_name='retentionsamples',
            constraint=models.CheckConstraint(condition=models.Q(('fate__in', ['tested', 'thrown_away'])), name='retention_samples_fate_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='retentionsamples',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'raw_stool'), _negated=True), ('donation__isnull', False), _connector='OR'), name='retention_samples_of_stool_name_a_donation'),
        ),
        migrations.AddConstraint(
            model_name='retentionsamples',
            constraint=models.CheckConstraint(condition=models.Q(('fate__isnull', True), models.Q(('fate', 'tested'), ('gone_on__isnull', False)), models.Q(('fate', 'thrown_away'), ('gone_on__gte', models.F('keep_until_on'))), _connector='OR'), name='retention_samples_kept_long_enough'),
        ),
        migrations.AddConstraint(
            model_name='placements',
            constraint=models.CheckConstraint(condition=models.Q(('box_row__gte', 1)), name='placements_box_row_minimum'),
        ),
        migrations.AddConstraint(
            model_name='placements',
            constraint=models.CheckConstraint(condition=models.Q(('box_row__lte', 26)), name='placements_box_row_maximum'),
        ),
        migrations.AddConstraint(
            model_name='placements',
            constraint=models.CheckConstraint(condition=models.Q(('box_column__gte', 1)), name='placements_box_column_minimum'),
        ),
        migrations.AddConstraint(
            model_name='placements',
            constraint=models.CheckConstraint(condition=models.Q(('box_column__lte', 40)), name='placements_box_column_maximum'),
        ),
        migrations.AddConstraint(
            model_name='placements',
            constraint=models.UniqueConstraint(condition=models.Q(('until_at__isnull', True)), fields=('box', 'box_row', 'box_column'), name='placements_one_at_a_position'),
        ),
        migrations.AddConstraint(
            model_name='placements',
            constraint=models.UniqueConstraint(condition=models.Q(('until_at__isnull', True)), fields=('unit',), name='placements_one_position_of_a_unit'),
        ),
        migrations.AddConstraint(
            model_name='placements',
            constraint=models.UniqueConstraint(condition=models.Q(('until_at__isnull', True)), fields=('sample',), name='placements_one_position_of_a_sample'),
        ),
        migrations.AddConstraint(
            model_name='placements',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('sample__isnull', True), ('unit__isnull', False)), models.Q(('sample__isnull', False), ('unit__isnull', True)), _connector='OR'), name='placements_of_one_thing'),
        ),
        migrations.AddConstraint(
            model_name='placements',
            constraint=models.CheckConstraint(condition=models.Q(('since_at__isnull', False)), name='placements_begin'),
        ),
        migrations.AddConstraint(
            model_name='placements',
            constraint=models.CheckConstraint(condition=models.Q(('since_at__lte', models.F('until_at')), ('since_at__isnull', True), ('until_at__isnull', True), _connector='OR'), name='placements_since_at_not_after_until_at'),
        ),
        migrations.AddConstraint(
            model_name='ruledpairs',
            constraint=models.CheckConstraint(condition=models.Q(('ruling__in', ['same_person', 'different_people'])), name='ruled_pairs_ruling_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='ruledpairs',
            constraint=models.CheckConstraint(condition=models.Q(('identity', models.F('other')), _negated=True), name='ruled_pairs_of_two'),
        ),
        migrations.AddConstraint(
            model_name='sessionchecks',
            constraint=models.UniqueConstraint(fields=('session',), name='session_checks_one_check_a_session'),
        ),
        migrations.AddConstraint(
            model_name='sessionchecks',
            constraint=models.UniqueConstraint(fields=('checklist',), name='session_checks_one_session_a_check'),
        ),
        migrations.AddConstraint(
            model_name='sessionclosings',
            constraint=models.CheckConstraint(condition=models.Q(('minutes__gte', 0)), name='session_closings_minutes_minimum'),
        ),
        migrations.AddConstraint(
            model_name='sessionclosings',
            constraint=models.CheckConstraint(condition=models.Q(('minutes__lte', 10080)), name='session_closings_minutes_maximum'),
        ),
        migrations.AddConstraint(
            model_name='sessionclosings',
            constraint=models.UniqueConstraint(fields=('session',), name='session_closings_once'),
        ),
        migrations.AddConstraint(
            model_name='shipments',
            constraint=models.CheckConstraint(condition=models.Q(('arrival_celsius__gte', -200)), name='shipments_arrival_celsius_minimum'),
        ),
        migrations.AddConstraint(
            model_name='shipments',
            constraint=models.CheckConstraint(condition=models.Q(('arrival_celsius__lte', 60)), name='shipments_arrival_celsius_maximum'),
        ),
        migrations.AddConstraint(
            model_name='shipments',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('to_place__isnull', True), ('to_site__isnull', False)), models.Q(('to_place__isnull', False), ('to_site__isnull', True)), _connector='OR'), name='shipments_go_to_one_place'),
        ),
        migrations.AddConstraint(
            model_name='shipments',
            constraint=models.UniqueConstraint(condition=models.Q(('received_at__isnull', True)), fields=('unit',), name='shipments_one_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='sitejurisdictions',
            constraint=models.CheckConstraint(condition=models.Q(('jurisdiction__in', ['any', 'us_ind', 'eu_ctr', 'cn_gcp'])), name='site_jurisdictions_jurisdiction_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='temperatures',
            constraint=models.CheckConstraint(condition=models.Q(('celsius__gte', -200)), name='temperatures_celsius_minimum'),
        ),
        migrations.AddConstraint(
            model_name='temperatures',
            constraint=models.CheckConstraint(condition=models.Q(('celsius__lte', 60)), name='temperatures_celsius_maximum'),
        ),
        migrations.AddConstraint(
            model_name='tokens',
            constraint=models.UniqueConstraint(fields=('digest',), name='tokens_once'),
        ),
        migrations.AddConstraint(
            model_name='uploads',
            constraint=models.CheckConstraint(condition=models.Q(('format__in', ['table', 'redcap', 'fhir', 'odm'])), name='uploads_format_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='uploads',
            constraint=models.CheckConstraint(condition=models.Q(('n_bytes__gte', 1)), name='uploads_n_bytes_minimum'),
        ),
        migrations.AddConstraint(
            model_name='uploads',
            constraint=models.CheckConstraint(condition=models.Q(('stage__in', ['laid_before', 'imported', 'discarded'])), name='uploads_stage_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='uploads',
            constraint=models.CheckConstraint(condition=models.Q(('n_added__gte', 0)), name='uploads_n_added_minimum'),
        ),
        migrations.AddConstraint(
            model_name='uploads',
            constraint=models.CheckConstraint(condition=models.Q(('n_changed__gte', 0)), name='uploads_n_changed_minimum'),
        ),
        migrations.AddConstraint(
            model_name='uploads',
            constraint=models.CheckConstraint(condition=models.Q(('n_same__gte', 0)), name='uploads_n_same_minimum'),
        ),
        migrations.AddConstraint(
            model_name='origins',
            constraint=models.UniqueConstraint(fields=('site', 'source', 'of_table', 'source_mark'), name='origins_once'),
        ),
    ]
