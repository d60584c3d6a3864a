"""The registry under test: Django on an empty database of its own, and one universe drawn by actions."""

import os
import tempfile

import django
import pytest

os.environ.setdefault("COMMENSAL_REGISTRY", tempfile.mkdtemp(prefix="commensal-site-tests-"))
os.environ["DJANGO_SETTINGS_MODULE"] = "commensal.registry.settings"
django.setup()


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def universe(db):
    from universe import Universe

    return Universe()


@pytest.fixture
def given(universe):
    """A patient who received a released unit."""
    unit = universe.released_unit()
    patient = universe.patient()
    return universe, unit, patient, universe.session(patient, unit)
