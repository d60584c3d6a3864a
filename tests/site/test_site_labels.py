"""Labels are read back by a reader, name no person, and open the page of what they are on."""

import pypdfium2
import pytest
import zxingcpp
from django.urls import reverse
from universe import PASSWORD, TODAY

from commensal.registry.actions import quality
from commensal.registry.labels import SHEETS, Label, label_sheets, storage_words
from commensal.registry.models import MODELS
from commensal.vocabulary.materials import products

pytestmark = pytest.mark.slow
DPI = 300
FORMATS = (zxingcpp.BarcodeFormat.Code128, zxingcpp.BarcodeFormat.QRCode)


def read_back(document):
    """Format and text of every code on every page, as a reader sees them at the printer's resolution."""
    found = []
    for page in pypdfium2.PdfDocument(document):
        image = page.render(scale=DPI / 72, grayscale=True).to_numpy().squeeze()
        found += [
            ("bars" if code.format == zxingcpp.BarcodeFormat.Code128 else "QR", code.text)
            for code in zxingcpp.read_barcodes(image, formats=FORMATS)
        ]
    return found


def words_of(document):
    return "\n".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(document))


@pytest.mark.parametrize("sheet", SHEETS)
def test_every_label_of_a_sheet_is_read_back(sheet):
    codes = [f"U{n:04d}" for n in range(1, SHEETS[sheet].n_labels + 2)]
    lines = ("frozen suspension", "Store at -80 °C. Do not refreeze.", "FOR ENTERAL USE ONLY")
    labels = [Label(code, f"https://registry.example.org/s/{code}", lines) for code in codes]
    made = label_sheets(labels, sheet=sheet)
    found = read_back(made)
    assert sorted(text for kind, text in found if kind == "bars") == codes
    assert sorted(text for kind, text in found if kind == "QR") == [label.address for label in labels]
    assert len(pypdfium2.PdfDocument(made)) == 2


def test_a_sheet_begun_is_gone_on_with():
    labels = [Label("U0001", "x", ())] * 3
    assert len(pypdfium2.PdfDocument(label_sheets(labels, n_used=22))) == 2
    assert len(pypdfium2.PdfDocument(label_sheets(labels, n_used=21))) == 1


@pytest.mark.parametrize("product", [*products().codes, None])
def test_every_product_says_how_it_is_stored(product):
    assert storage_words(product)
    assert (storage_words(product) == "Storage not known: ask the bank.") == (product is None)


def test_a_units_label_says_what_must_stand_on_it_and_names_no_donor(universe, client):
    unit = universe.unit(universe.donor())
    client.force_login(universe.ann)
    answer = client.get(reverse("labels"), {"unit": unit.pk, "sheet": "24", "n_used": 0})
    assert answer["Content-Type"] == "application/pdf"
    text = words_of(answer.content)
    for words in (
        unit.pk,
        "frozen suspension",
        "50 g",
        f"Use by {unit.expires_on}",
        "-80",
        "FOR ENTERAL USE ONLY",
    ):
        assert words in text
    assert MODELS["donors"].objects.get().pk not in text
    assert ("QR", f"http://testserver/s/{unit.pk}") in read_back(answer.content)


def test_scanning_a_label_opens_its_page(universe, client):
    unit = universe.unit(universe.donor())
    _, box = universe.freezer()
    client.force_login(universe.ann)
    page = reverse("unit", args=[unit.pk])
    for scanned in (unit.pk, f" http://testserver/s/{unit.pk} "):
        assert client.get(reverse("scan"), {"code": scanned}).url == page
    assert client.get(f"/s/{unit.pk}").url == page
    assert client.get(reverse("scan"), {"code": f"{box.pk}-B2"}).url == reverse("place", args=[box.pk])
    assert client.get(reverse("scan"), {"code": "nothing"}).status_code == 404
    client.force_login(universe.otto)
    assert client.get(reverse("scan"), {"code": unit.pk}).status_code == 404
    assert client.get(f"/s/{unit.pk}").status_code == 404


def test_the_record_of_a_batch_is_a_document(universe, client):
    donors = [universe.donor(), universe.donor()]
    batch = universe.batch({universe.donation(d).pk: 50.0 for d in donors}, n=2)
    client.force_login(universe.ann)
    text = words_of(client.get(reverse("batch-record", args=[batch.pk])).content)
    for words in (f"Batch record {batch.pk}", donors[1].pk, "50.0 %", "Checked by", "None recorded."):
        assert words in text


def test_a_unit_scanned_into_a_box_by_the_page_stands_there(universe, client):
    unit = universe.unit(universe.donor())
    _, box = universe.freezer()
    client.force_login(universe.ann)
    address = reverse("place", args=[box.pk])
    answer = client.post(address, {"code": f"http://testserver/s/{unit.pk}", "position": "b1"})
    assert (answer.status_code, answer.url) == (302, address)
    assert MODELS["placements"].objects.get(unit=unit).box_row == 2
    answer = client.post(address, {"code": "U9999", "position": ""})
    assert answer.status_code == 422
    assert b"neither a unit nor" in answer.content


# --- deviations


@pytest.fixture
def deviation(universe):
    unit = universe.unit(universe.donor())
    row = quality.report_deviation(
        by=universe.ann,
        site_id="S1",
        account="thermometer broken",
        severity="major",
        found_on=TODAY,
        unit_id=unit.pk,
    )
    return universe, row


def test_a_deviation_is_closed_with_cause_actions_check_and_password_alone(deviation, client):
    universe, row = deviation
    client.force_login(universe.quinn)
    close = reverse("close-deviation", args=[row.pk])

    def tried(password=PASSWORD):
        return client.post(close, {"password": password})

    assert b"no root cause" in tried().content
    quality.investigate(
        by=universe.quinn, deviation=row.pk, root_cause="battery", effectiveness="a week of log"
    )
    assert b"no corrective or preventive action" in tried().content
    remedy = quality.add_remedy(
        by=universe.quinn, deviation=row.pk, kind="corrective", task="new battery", owner="ann", due_on=TODAY
    )
    assert b"1 actions are open" in tried().content
    quality.finish_remedy(by=universe.ann, remedy=remedy.pk, on=TODAY, outcome="changed")
    assert b"has not worked" in tried().content
    quality.investigate(by=universe.quinn, deviation=row.pk, is_effective=True)
    assert b"signature was not accepted" in tried("another password").content
    assert tried().status_code == 302
    row.refresh_from_db()
    assert (row.closed_by, row.closed_at is not None) == ("quinn", True)


def test_a_closed_deviation_stays_as_it_was_signed(deviation):
    from datetime import UTC, datetime

    from commensal.errors import RefusedError

    universe, row = deviation
    found = {"severity": "minor", "root_cause": "x", "effectiveness": "x", "is_effective": True}
    quality.investigate(by=universe.quinn, deviation=row.pk, **found)
    at = {"at": datetime(2026, 6, 1, 9, tzinfo=UTC), "on": TODAY}
    with pytest.raises(RefusedError, match="signed by who closes it"):
        quality.close_deviation(by=universe.quinn, deviation=row.pk, signer=universe.ann, **at)
    quality.close_deviation(by=universe.quinn, deviation=row.pk, signer=universe.quinn, **at)
    with pytest.raises(RefusedError, match="was closed on"):
        quality.investigate(by=universe.quinn, deviation=row.pk, root_cause="y")
    with pytest.raises(RefusedError, match="was closed on"):
        quality.add_remedy(
            by=universe.quinn, deviation=row.pk, kind="corrective", task="t", owner="o", due_on=TODAY
        )


def test_the_database_closes_no_deviation_without_its_cause(deviation):
    from django.db import Error, transaction

    from commensal.registry import audit

    with pytest.raises(Error, match="deviations_closed_only_when_done"), transaction.atomic():  # noqa: SIM117
        with audit.acting("ann", reason="test"):
            MODELS["deviations"].objects.update(closed_on=TODAY)


def test_quality_sees_open_deviations_today(deviation, client):
    universe, row = deviation
    client.force_login(universe.quinn)
    assert reverse("deviation", args=[row.pk]).encode() in client.get("/").content
