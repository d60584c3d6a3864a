"""Every address × every role, nobody and other centres × every method, against the tables of permissions.

The addresses are taken from the site itself, the expected answers from ``permissions/*.toml``: a page that
is added is tried without a line here. Every request is undone.
"""

import inspect
import pkgutil
import re
from datetime import date
from importlib import import_module

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.test import Client, override_settings
from django.urls import URLPattern, get_resolver, reverse
from examples import Examples
from universe import Universe

from commensal.registry import actions, audit
from commensal.registry.models import MODELS
from commensal.registry.permissions import ROLES, permissions
from commensal.registry.scope import within

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
OWN, OTHER = "S1", "S2"
REFUSED = (403, 404)
NEVER = (405, 500)
VARIES = r'name="csrfmiddlewaretoken" value="\w+"|<svg.*?</svg>|<p class="code">[A-Z2-7 ]+</p>'
"""Tokens of forms, and the secret that is offered for a second factor."""
QUIET = ("sites", "audit")
"""Tables whose keys are no secret."""


def walk(patterns, *, prefix=""):
    """Every named address of the site: name → pattern."""
    for entry in patterns:
        if isinstance(entry, URLPattern):
            yield f"{prefix}{entry.name}", entry.pattern
        else:
            inner = f"{prefix}{entry.namespace}:" if entry.namespace else prefix
            yield from walk(entry.url_patterns, prefix=inner)


PAGES = dict(walk(get_resolver().url_patterns))


class House:
    """Two centres with rows of every table, and one person for each role at each of them."""

    def __init__(self):
        self.universe = universe = Universe()
        universe.session(universe.patient(), universe.released_unit())
        self.own, self.other = Examples(OWN), Examples(OTHER)
        with audit.acting("setup", reason="test"):
            self.without = [t for t in MODELS if not (self.own.has(t) and self.other.has(t))]
        self.marks = self._marks()
        self.people = {
            (role, site): universe.person(f"{role}-at-{site}".lower(), site, role)
            for role in ROLES
            for site in (OWN, OTHER)
        }
        self.people["", ""] = universe.person("of-no-centre", OWN)
        self.clients = {key: self._client(person) for key, person in self.people.items()}
        self.clients[None] = Client(raise_request_exception=False)

    def _client(self, person):
        client = Client(raise_request_exception=False)
        client.force_login(person)
        return client

    def _marks(self):
        """What of the first centre no page of another may show: every key of every row."""
        keys = {str(self.own.row(t).pk) for t in MODELS if t not in {*QUIET, *self.without}}
        keys |= {str(pk) for t in ("patients", "donors", "units") for pk in self._pks(t)}
        return re.compile(r"(?<![\w-])(" + "|".join(k for k in keys if len(k) > 3) + r")(?![\w-])")

    def _pks(self, table):
        return within(table, sites=[OWN]).values_list("pk", flat=True)

    def ask(self, who, method, address):
        """The answer to one request, after which everything is as before."""
        client = self.clients[who]
        kept = client.cookies.copy()
        with transaction.atomic():
            answer = getattr(client, method.lower())(address)
            answer.shown = b"" if answer.streaming else answer.content
            if not transaction.get_rollback():
                transaction.set_rollback(True)
        client.cookies = kept
        return answer


@pytest.fixture(scope="module")
def house(django_db_setup, django_db_blocker):
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=hashers), django_db_blocker.unblock(), transaction.atomic():
        yield House()
        transaction.set_rollback(True)


def plain(answer):
    """An answer's text without what differs between any two answers."""
    return re.sub(VARIES, "", answer.shown.decode(errors="replace"), flags=re.DOTALL)


def test_every_address_has_a_permission_and_every_permission_an_address():
    assert set(PAGES) == set(permissions())


def test_every_table_has_an_example(house):
    assert not house.without, "add what these rows need to examples.VALUES"


@pytest.mark.parametrize("name", PAGES)
def test_nobody_gets_in_without_signing_in(house, name):
    permission = permissions()[name]
    address = reverse(name, kwargs=house.own.arguments(name, PAGES[name]))
    for method in METHODS:
        answer = house.ask(None, method, address)
        assert answer.status_code < 500, (name, method)
        if permission.is_open:
            allowed = permission.roles(method)
            assert allowed or answer.status_code in (302, 403, 405), (name, method, answer.status_code)
        else:
            is_sent_away = answer.status_code == 302 and answer.url.startswith("/sign-in")
            assert is_sent_away or answer.status_code in (401, 403), (name, method, answer.status_code)
        assert not house.marks.search(answer.shown.decode(errors="replace").replace(address, "")), name


@pytest.mark.parametrize("name", PAGES)
def test_a_role_does_what_it_may_and_no_more(house, name):
    permission = permissions()[name]
    if permission.is_open:
        pytest.skip("open to nobody signed in: tried above")
    address = reverse(name, kwargs=house.own.arguments(name, PAGES[name]))
    for role in ROLES:
        for method in METHODS:
            allowed, answer = permission.roles(method), house.ask((role, OWN), method, address)
            seen = (name, role, method, answer.status_code)
            if not allowed:
                assert answer.status_code == 405, seen
            elif role not in allowed:
                assert answer.status_code == 403, seen
            else:
                assert answer.status_code < 500, seen
                assert answer.status_code not in (403, 405), seen
    assert house.ask(("", ""), "GET", address).status_code in (403, 405)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_of_another_centre_shows(house, name):
    permission = permissions()[name]
    if permission.is_open:
        pytest.skip("open to nobody signed in: tried above")
    arguments = house.own.arguments(name, PAGES[name])
    address = reverse(name, kwargs=arguments)
    named = [key for key, value in arguments.items() if house.marks.fullmatch(str(value))]
    nowhere = reverse(name, kwargs={**arguments, **dict.fromkeys(named, "nowhere")})
    for role in ROLES:
        for method in ("GET", "POST"):
            if role not in permission.roles(method):
                continue
            answer = house.ask((role, OTHER), method, address)
            seen = (name, role, method, answer.status_code)
            if named:
                assert answer.status_code in REFUSED, seen
                same = house.ask((role, OTHER), method, nowhere)
                assert (same.status_code, plain(same)) == (answer.status_code, plain(answer)), seen
            assert answer.status_code < 500, seen
            assert not (found := house.marks.search(plain(answer))), (*seen, found)


@pytest.mark.parametrize("name", [n for n, p in PAGES.items() if not p.converters])
def test_asking_for_a_row_of_another_centre_is_asking_for_nothing(house, name):
    """Whatever is put into the query of a page, a row elsewhere and a row nowhere get one answer."""
    permission = permissions()[name]
    if permission.is_open or not permission.roles("GET"):
        pytest.skip("not read by who has signed in")
    role = sorted(permission.roles("GET"))[0]
    for table in ("patients", "donors", "units", "batches"):
        key, asked = str(house.own.row(table).pk), table.removesuffix("s").removesuffix("e")
        for argument in (asked, "pk", "q", "before", "site"):
            value = OWN if argument == "site" else key
            elsewhere = house.ask((role, OTHER), "GET", f"{reverse(name)}?{argument}={value}")
            if argument == "before":  # a place in the order, not a row
                assert not house.marks.search(plain(elsewhere).replace(f"before={key}", "")), (name, argument)
                continue
            nowhere = house.ask((role, OTHER), "GET", f"{reverse(name)}?{argument}=nowhere")
            shown = plain(elsewhere).replace(value, "nowhere")
            assert (elsewhere.status_code, shown) == (nowhere.status_code, plain(nowhere)), (name, argument)


# --- actions


def every_action():
    """Every action of the registry, by module and name."""
    for module in pkgutil.iter_modules(actions.__path__, f"{actions.__name__}."):
        for name, function in vars(import_module(module.name)).items():
            if hasattr(function, "roles") and function.__module__ == module.name:
                yield pytest.param(function, id=f"{module.name.rpartition('.')[2]}.{name}")


ACTIONS = list(every_action())
FILLED = {str: "x", int: 1, float: 1.0, bool: True, date: date(2026, 5, 2)}


def test_actions_are_found():
    assert len(ACTIONS) >= 15


@pytest.mark.parametrize("function", ACTIONS)
@pytest.mark.parametrize("role", ROLES)
def test_an_action_is_for_its_roles_alone(house, function, role):
    assert function.roles, "an action names its roles"
    assert set(function.roles) <= set(ROLES)
    outcome = tried(function, by=house.people[role, OWN])
    is_refused = isinstance(outcome, PermissionDenied) and "works at no centre" in str(outcome)
    assert is_refused == (role not in function.roles), outcome


def tried(function, **inputs):
    """What an action returns or raises; whatever it did is undone."""
    with transaction.atomic():
        try:
            return function(reason="because", **inputs)
        except Exception as error:
            return error
        finally:
            transaction.set_rollback(True)


@pytest.mark.parametrize("function", ACTIONS)
def test_no_action_takes_a_row_of_another_centre(house, function):
    asked = {
        name: parameter
        for name, parameter in list(inspect.signature(inspect.unwrap(function)).parameters.items())[1:]
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    rows = {name: house.own.row(f"{name}s").pk for name in asked if f"{name}s" in MODELS}
    if "event" in asked and "event_id" in MODELS:
        rows["event"] = house.own.row("custody").pk
    if not rows:
        pytest.skip("names no row")
    others = {name: _some(parameter) for name, parameter in asked.items() if name not in rows}
    outcome = tried(function, by=house.universe.otto, **others, **rows)
    assert isinstance(outcome, Exception), "a person of one centre acted on a row of another"


def _some(parameter):
    words = str(parameter.annotation)
    return next((value for kind, value in FILLED.items() if words.startswith(kind.__name__)), None)
