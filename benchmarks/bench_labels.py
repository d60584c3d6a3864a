"""Time of 1,000 labels, and how many of them a reader reads back at the resolution of a label printer.

Run: python benchmarks/bench_labels.py
"""

from __future__ import annotations

import os
import tempfile
import time

import pypdfium2
import zxingcpp

N_LABELS = 1_000
SECONDS = 5.0
DPI = (300, 203)
FORMATS = (zxingcpp.BarcodeFormat.Code128, zxingcpp.BarcodeFormat.QRCode)


def main() -> None:
    os.environ.setdefault("COMMENSAL_REGISTRY", tempfile.mkdtemp())
    os.environ["DJANGO_SETTINGS_MODULE"] = "commensal.registry.settings"
    import django

    django.setup()
    from commensal.registry.labels import SHEETS, Label, label_sheets

    lines = (
        "frozen suspension",
        "50 g · 200 mL",
        "Produced 2026-05-04",
        "Use by 2026-11-04",
        "Store at -80 °C. Do not refreeze.",
        "FOR ENTERAL USE ONLY",
    )
    codes = [f"U{number:04d}" for number in range(1, N_LABELS + 1)]
    labels = [Label(code, f"https://registry.example.org/s/{code}", lines) for code in codes]
    label_sheets(labels[:24])  # fonts and tables are read once
    for sheet in SHEETS:
        started, worked = time.perf_counter(), time.process_time()
        made = label_sheets(labels, sheet=sheet)
        seconds, worked = time.perf_counter() - started, time.process_time() - worked
        print(
            f"{SHEETS[sheet].title}: {N_LABELS} labels in {seconds:.2f} s, {worked:.2f} s of work "
            f"(to beat: {SECONDS:g} s)"
        )
        for dpi in DPI:
            bars, addresses = read_back(made, dpi=dpi)
            n_bars = len(bars & set(codes))
            n_codes = len(addresses & {label.address for label in labels})
            print(f"  read at {dpi} dpi: {n_bars} Code 128, {n_codes} QR of {N_LABELS}")


def read_back(document: bytes, *, dpi: int) -> tuple[set[str], set[str]]:
    """What a reader finds on the pages: bars and QR codes."""
    bars, addresses = set(), set()
    for page in pypdfium2.PdfDocument(document):
        image = page.render(scale=dpi / 72, grayscale=True).to_numpy()
        for found in zxingcpp.read_barcodes(image.squeeze(), formats=FORMATS):
            (addresses if found.format == zxingcpp.BarcodeFormat.QRCode else bars).add(found.text)
    return bars, addresses


if __name__ == "__main__":
    main()
