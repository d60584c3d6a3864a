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
        migrations.AddConstraint(
            model_name='accesses',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['page', 'export', 'vault'])), name='accesses_kind_is_listed'),
        ),
        migrations.AddConstraint(
            model_name='accesses',
            constraint=models.CheckConstraint(condition=models.Q(('n_rows__gte', 0)), name='accesses_n_rows_minimum'),
        ),
    ]
