"""One path from donor to visit, entered in a browser, then frozen, checked, traced and run."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from commensal.bank import trace
from commensal.study import open_study
from commensal.study.check import check

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CHROMIUM = "/usr/bin/chromium"
ADMIN, SECOND = "a first password of ours", "another long password"
TODAY = date.today()  # noqa: DTZ011  the registry's own clock
DONATED = TODAY - timedelta(days=58)
SHOTS = os.environ.get("COMMENSAL_SCREENSHOTS")


def run_python(code, *, data_dir):
    env = {**os.environ, "COMMENSAL_REGISTRY": str(data_dir)}
    env.pop("DATABASE_URL", None)
    return subprocess.run(
        [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True
    ).stdout


@contextmanager
def served(folder, *, more=""):
    """A registry served on a port of its own; gives its address and the process."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    code = f"from commensal.registry import serve; serve(port={port}, data_dir={str(folder)!r}{more})"
    env = {**os.environ, "COMMENSAL_ADMIN_PASSWORD": ADMIN, "COMMENSAL_REGISTRY": str(folder)}
    env.pop("DATABASE_URL", None)
    server = subprocess.Popen([sys.executable, "-c", code], env=env, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """An empty registry; gives its address, its folder and the seconds to the first page."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed (apt-get install chromium)")
    folder = tmp_path_factory.mktemp("registry")
    started = time.monotonic()
    with served(folder) as (address, server):
        yield address, folder, wait_for(address, server) - started


def wait_for(address, server):
    while server.poll() is None:
        try:
            urllib.request.urlopen(address + "/sign-in", timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return time.monotonic()
    raise AssertionError("the server did not start")


def test_the_demonstration_can_be_signed_in_to(tmp_path):
    with served(tmp_path, more=", demo=True") as (address, server):
        wait_for(address, server)
        jar = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with jar.open(address + "/sign-in", timeout=20) as page:
            form = page.read().decode()
        token = form.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        entry = f"csrfmiddlewaretoken={token}&username=admin&password={ADMIN.replace(' ', '+')}"
        asked = urllib.request.Request(address + "/sign-in", entry.encode(), {"Referer": address})
        with jar.open(asked, timeout=20) as page:
            assert b"<h1>Today</h1>" in page.read()


@pytest.fixture(scope="module")
def browser(site):
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=arguments)
        yield chromium
        chromium.close()


class Visitor:
    """Somebody at the pages: fills labelled fields, presses named buttons, notes every console error."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(base_url=address, **options)
        self.page = self.context.new_page()
        self.errors = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.n_shots = 0

    def go(self, path):
        self.page.goto(path)

    def fill(self, **values):
        for name, value in values.items():
            field = self.page.locator(f"[name='{name}']").first
            if field.evaluate("e => e.tagName") == "SELECT":
                field.select_option(str(value))
            else:
                field.fill(str(value))

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()
        if SHOTS:
            self.shot(name)

    def follow(self, name):
        self.page.get_by_role("link", name=name, exact=True).first.click()

    def shot(self, name):
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            self.n_shots += 1
            file = f"{self.n_shots:02d}-{name.lower().replace(' ', '-')}.png"
            self.page.screenshot(path=Path(SHOTS) / file, full_page=True)

    def answer_all(self, prefix, value):
        """Choose a value in every select whose name begins with a prefix."""
        self.page.evaluate(
            """([prefix, value]) => document.querySelectorAll(`select[name^='${prefix}']`)
                 .forEach(e => { e.value = value })""",
            [prefix, value],
        )

    def sign_in(self, name, password):
        self.go("/sign-in")
        self.fill(username=name, password=password)
        self.press("Sign in")


def enter_panel(visitor, donor, day, *, only=None):
    visitor.go(f"/donors/{donor}/results")
    visitor.fill(collected_on=day.isoformat())
    if only:
        visitor.fill(**{f"result-{only}": "negative"})
    else:
        visitor.answer_all("result-", "negative")
        visitor.answer_all("method-", "naat")
        for analyte in ("hiv", "hbsag", "anti_hcv", "syphilis", "htlv", "hav_igm", "hev", "hdv", "anti_hbc"):
            visitor.fill(**{f"method-{analyte}": "serology"})
        for analyte in ("cmv_igm", "ebv_igm", "strongyloides"):
            visitor.fill(**{f"method-{analyte}": "serology"})
    visitor.press("Record results")


def enter_donor(visitor):
    visitor.go("/donors/new")
    visitor.shot("New donor")
    visitor.fill(site_id="SITE1", kind="universal", sex="male", born_on="2001-02-03", bmi="22")
    visitor.press("Add donor")
    donor = visitor.page.url.rstrip("/").rsplit("/", 1)[1]
    visitor.follow("Consent")
    visitor.fill(signed_on=(DONATED - timedelta(days=20)).isoformat())
    visitor.press("Record consent")
    visitor.follow("Questionnaire")
    visitor.fill(collected_on=DONATED.isoformat())
    visitor.answer_all("result-", "negative")
    visitor.fill(**{"result-mental_screen": "positive"})
    visitor.press("Record answers")
    for lag in (-1, 57):
        enter_panel(visitor, donor, DONATED + timedelta(days=lag))
    for lag in (-3, -2, 55, 56):
        enter_panel(visitor, donor, DONATED + timedelta(days=lag), only="ova_and_parasites")
    visitor.follow("Decide")
    visitor.fill(status="eligible", reason="screening complete")
    visitor.press("Record decision")
    return donor


def enter_unit(visitor, donor):
    visitor.go(f"/donors/{donor}/donation")
    visitor.fill(
        donated_on=DONATED.isoformat(),
        passed_at=f"{DONATED}T08:00",
        received_at=f"{DONATED}T09:00",
        stool_mass_grams=150,
        bristol_type=4,
        is_questionnaire_clean="yes",
        is_accepted="yes",
    )
    visitor.press("Record donation")
    visitor.fill(
        product="frozen_suspension",
        dose_grams=50,
        volume_millilitres=200,
        frozen_at=f"{DONATED}T12:00",
        glycerol_percent=10,
        is_quality_passed="yes",
    )
    visitor.press("Make units")
    unit = visitor.page.url.rstrip("/").rsplit("/", 1)[1]
    visitor.follow("Checks")
    visitor.fill(is_label_verified="yes", is_cold_chain_unbroken="yes", has_retention_sample="yes")
    visitor.press("Record checks")
    return unit


def release(visitor, unit):
    visitor.go(f"/units/{unit}/release")
    visitor.shot("Release form")
    visitor.fill(signer="admin", password=ADMIN)
    visitor.press("Sign and release")
    assert "is not released" in visitor.page.content(), "one person alone released a unit"
    visitor.fill(signer="quinn", password=SECOND)
    visitor.press("Sign and release")
    assert visitor.page.get_by_text("Unit released.").is_visible()


def enter_patient(visitor, unit):
    visitor.go("/patients/new")
    visitor.fill(site_id="SITE1", sex="female", born_on="1980-05-06", indication="rcdi")
    visitor.press("Add patient")
    patient = visitor.page.url.rstrip("/").rsplit("/", 1)[1]
    visitor.go(f"/patients/{patient}/session")
    visitor.shot("Session form")
    visitor.fill(unit=unit, route="colonoscopy", volume_millilitres=200, tolerance="complete")
    visitor.press("Record session")
    visitor.go(f"/patients/{patient}/visit?visit=V0")
    visitor.press("Record visit")
    visitor.fill(instrument="pain_nrs")
    visitor.press("Open")
    visitor.fill(pain=3)
    visitor.press("Record answers")
    visitor.go(f"/patients/{patient}/add/adverse_events")
    visitor.fill(term="ae01", began_on=TODAY.isoformat(), grade=1)
    visitor.press("Record")
    return patient


def test_from_nothing_to_the_first_page_takes_seconds(site):
    assert site[2] < 5 or os.getloadavg()[0] > 2, f"{site[2]:.1f} s"


def test_one_path_entered_in_a_browser_is_frozen_checked_traced_and_run(site, browser, tmp_path):
    address, folder, _ = site
    visitor = Visitor(browser, address)
    visitor.sign_in("admin", ADMIN)
    visitor.go("/people/new")
    visitor.fill(username="quinn", password=SECOND)
    visitor.page.get_by_label("Quality").check()
    visitor.press("Add account")
    donor = enter_donor(visitor)
    unit = enter_unit(visitor, donor)
    release(visitor, unit)
    patient = enter_patient(visitor, unit)
    for start, key in (("unit", unit), ("donor", donor), ("patient", patient)):
        visitor.go(f"/trace?{start}={key}")
        assert visitor.page.get_by_role("link", name=patient, exact=True).first.is_visible()
        visitor.shot(f"Trace {start}")
    for path in ("/", f"/donors/{donor}/", f"/units/{unit}/", f"/patients/{patient}/", "/people"):
        visitor.go(path)
        visitor.shot("Page " + path.strip("/").replace("/", "-"))
    visitor.go(f"/history/units/{unit}")
    assert "admin" in visitor.page.content()
    visitor.shot("History")
    assert visitor.errors == [
        "Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"
    ]

    frozen = tmp_path / "frozen"
    run_python(
        f"from commensal.registry import freeze; freeze({str(frozen)!r}, data_dir={str(folder)!r})",
        data_dir=folder,
    )
    study = open_study(frozen)
    problems = check(study)
    assert problems.filter(problems["severity"] != "warning").is_empty(), problems.rows()
    found = trace(study, patient=patient)
    assert found.links.select("donor_id", "unit_id", "patient_id").rows() == [(donor, unit, patient)]
    programme = pytest.importorskip("commensal.programme")
    programme.run(study, tmp_path / "results")
    assert (tmp_path / "results" / "estimates.parquet").is_file()


def test_pages_fit_a_phone_and_can_be_used_in_the_dark_and_by_keyboard(site, browser):
    visitor = Visitor(
        browser, site[0], viewport={"width": 360, "height": 740}, color_scheme="dark", has_touch=True
    )
    visitor.sign_in("admin", ADMIN)
    for path in (
        "/",
        "/donors/",
        "/patients/",
        "/units/",
        "/donors/new",
        "/patients/new",
        "/trace",
        "/people",
    ):
        visitor.go(path)
        wide = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, f"{path} is {wide} px wide"
        unnamed = visitor.page.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden]),select')]"
            ".filter(e => !e.labels.length).length"
        )
        assert unnamed == 0, path
        visitor.shot("Phone " + path.strip("/").replace("/", "-"))
    visitor.go("/donors/")
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert visitor.errors == []
