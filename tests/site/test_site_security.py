"""What the answers of the site promise a browser, and the table of requirements that points to the tests."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from universe import PASSWORD

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "explanation" / "security.md"
LEVEL_1 = [
    "1.2.1",
    "1.2.2",
    "1.2.3",
    "1.2.4",
    "1.2.5",
    "1.3.1",
    "1.3.2",
    "1.5.1",
    "2.1.1",
    "2.2.1",
    "2.2.2",
    "2.3.1",
    "3.2.1",
    "3.2.2",
    "3.3.1",
    "3.4.1",
    "3.4.2",
    "3.5.1",
    "3.5.2",
    "3.5.3",
    "4.1.1",
    "4.4.1",
    "5.2.1",
    "5.2.2",
    "5.3.1",
    "5.3.2",
    "6.1.1",
    "6.2.1",
    "6.2.2",
    "6.2.3",
    "6.2.4",
    "6.2.5",
    "6.2.6",
    "6.2.7",
    "6.2.8",
    "6.3.1",
    "6.3.2",
    "6.4.1",
    "6.4.2",
    "7.2.1",
    "7.2.2",
    "7.2.3",
    "7.2.4",
    "7.4.1",
    "7.4.2",
    "8.1.1",
    "8.2.1",
    "8.2.2",
    "8.3.1",
    "9.1.1",
    "9.1.2",
    "9.1.3",
    "9.2.1",
    "10.4.1",
    "10.4.2",
    "10.4.3",
    "10.4.4",
    "10.4.5",
    "11.3.1",
    "11.3.2",
    "11.4.1",
    "12.1.1",
    "12.2.1",
    "12.2.2",
    "13.4.1",
    "14.2.1",
    "14.3.1",
    "15.1.1",
    "15.2.1",
    "15.3.1",
]
ROW = re.compile(r"^\| V([\d.]+) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def test_every_requirement_has_a_test_that_is_there_or_a_reason():
    rows = {number: proof for number, _, proof in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    assert sorted(rows) == sorted(LEVEL_1)
    for number, proof in rows.items():
        if proof.startswith("reason: "):
            continue
        file, _, test = proof.strip("`").partition("::")
        (found,) = HERE.parent.glob(f"*/{file}")
        assert f"def {test}(" in found.read_text(encoding="utf-8"), (number, proof)


PRODUCTION = """
import django; django.setup()
from django.test import Client
from commensal.registry.site import open_registry; open_registry()
plain = Client().get("/sign-in", HTTP_HOST="registry.example.org")
page = Client().get("/sign-in", HTTP_HOST="registry.example.org", secure=True)
print(plain.status_code, plain["Location"])
print(page.status_code, page["Strict-Transport-Security"])
for cookie in page.cookies.values(): print(cookie.output())
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    """The first answers of a site behind HTTPS."""
    env = {
        **os.environ,
        "COMMENSAL_REGISTRY": str(tmp_path_factory.mktemp("production")),
        "COMMENSAL_HTTPS": "1",
        "COMMENSAL_HOSTS": "registry.example.org",
    }
    env.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "-c", PRODUCTION], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_https_is_strict(production):
    assert production[0] == "301 https://registry.example.org/sign-in"
    assert production[1] == "200 max-age=31536000; includeSubDomains; preload"


def test_cookies_belong_to_this_host_alone(production):
    cookies = [line for line in production if line.startswith("Set-Cookie")]
    assert cookies
    for cookie in cookies:
        assert "Set-Cookie: __Host-" in cookie
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "SameSite=Lax" in cookie
        assert "Domain" not in cookie


def test_no_other_origin_is_let_in(universe, client):
    client.force_login(universe.ann)
    answer = client.get("/", HTTP_ORIGIN="https://elsewhere.example")
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_form_without_its_token_is_refused(universe):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(universe.ann)
    for name in ("sign-out", "add-patient", "change-password"):
        assert strict.post(reverse(name), {"x": "y"}).status_code == 403, name
    answer = Client(enforce_csrf_checks=True).post(
        reverse("sign-in"), {"username": "ann", "password": PASSWORD}
    )
    assert answer.status_code == 403


def test_answers_say_what_they_are(universe, client):
    client.force_login(universe.ann)
    for address in ("/", reverse("people"), "/nothing"):
        answer = client.get(address)
        assert answer["Content-Type"] == "text/html; charset=utf-8"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "same-origin"


def test_password_fields_are_masked_and_helped(universe, client):
    client.force_login(universe.ann)
    for name in ("change-password", "second-factor", "add-account", "renew-access"):
        page = client.get(reverse(name)).content.decode()
        fields = re.findall(r"<input[^>]*password[^>]*>", page)
        assert fields, name
        for field in fields:
            assert 'type="password"' in field, field
            assert re.search(r'autocomplete="(current|new)-password"', field), field
            assert "onpaste" not in field


def test_a_session_gets_a_new_key_at_sign_in(universe, client):
    client.get(reverse("sign-in"))
    session = client.session
    session["before"] = 1
    session.save()
    before = session.session_key
    client.post(reverse("sign-in"), {"username": "ann", "password": PASSWORD})
    assert client.session.session_key not in (None, before)
