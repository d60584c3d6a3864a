"""Import files spoilt by chance: bytes changed, cut, doubled, moved; and the files made to harm."""

import io
import json
import zipfile

import polars as pl

SHEET = (
    b"Patient,Sex,First FMT,Route,CRP,Pain,Note\nA-1,F,03.02.2024,colonoscopy,12.5,4,calm\n"
    b"A-2,M,28.02.2024,enema,,7,=1+1\nA-3,F,29.02.2024,,3,,\n"
)
REDCAP = (
    b"patient_id,redcap_repeat_instrument,redcap_repeat_instance,patients_sex,patients_arm,visits_visit_id,"
    b"visits_status\nQ1,,,female,fmt,,\nQ1,visits,1,,,QV1,attended\nQ2,,,male,placebo,,\n"
)
DICTIONARY = (
    b'"Variable / Field Name","Form Name","Section Header","Field Type","Field Label"\n'
    b"patient_id,patients,,text,Id\npatients_sex,patients,,dropdown,Sex\npatients_arm,patients,,dropdown,Arm\n"
    b"visits_visit_id,visits,,text,Visit\nvisits_status,visits,,dropdown,Status\n"
)
FHIR = json.dumps(
    {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"resource": {"resourceType": "Patient", "id": "F1", "gender": "female", "birthDate": "1980-02-03",
                          "extension": [{"url": "urn:commensal:patients.arm", "valueCode": "fmt"}]}},
            {"resource": {"resourceType": "Condition", "id": "F2", "subject": {"reference": "Patient/F1"},
                          "code": {"text": "asthma"}, "onsetDateTime": "2011-05"}},
            {"resource": {"resourceType": "Observation", "id": "F3", "status": "final",
                          "subject": {"reference": "Patient/F1"}, "code": {"text": "C-reactive protein"},
                          "valueQuantity": {"value": 3.5, "unit": "mg/L"}}},
        ],
    }
).encode()  # fmt: skip
ODM = (
    b'<?xml version="1.0"?><ODM xmlns="http://www.cdisc.org/ns/odm/v1.3"><ClinicalData><SubjectData '
    b'SubjectKey="O1"><StudyEventData StudyEventOID="SE.patients"><FormData FormOID="F.patients">'
    b'<ItemGroupData ItemGroupOID="IG.patients"><ItemData ItemOID="IT.patients.patient_id" Value="O1"/>'
    b'<ItemData ItemOID="IT.patients.arm" Value="fmt"/></ItemGroupData></FormData></StudyEventData>'
    b"</SubjectData></ClinicalData></ODM>"
)
NOISE = (b"\0", b"\xff\xfe", b'"', b",", b"\n", b"<", b"&a;", b"{", b"\xe9", b"99999999999999999999", b"=1+1",
         b"intravenous", b"\xef\xbb\xbf", b"nan", b"-", b"2024-02-30", "静脉".encode(), b"null", b"[]")  # fmt: skip


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def workbook():
    out = io.BytesIO()
    import openpyxl

    book = openpyxl.Workbook()
    for line in SHEET.decode().splitlines():
        book.active.append(line.split(","))
    book.save(out)
    return out.getvalue()


def seeds():
    """(format, file name, content) of whole files."""
    return [
        ("table", "a.csv", SHEET),
        ("table", "a.xlsx", workbook()),
        ("redcap", "a.zip", zipped({"data.csv": REDCAP, "dictionary.csv": DICTIONARY})),
        ("redcap", "a.csv", REDCAP),
        ("fhir", "a.json", FHIR),
        ("odm", "a.xml", ODM),
    ]


def spoilt(content, rng):
    """One file with one to six changes."""
    made = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(made) + 1)
        match rng.randrange(6):
            case 0 if made:
                made[at % len(made)] = rng.randrange(256)
            case 1:
                made[at:at] = rng.choice(NOISE)
            case 2:
                del made[at : at + rng.randint(1, 40)]
            case 3:
                made[at:at] = made[at : at + rng.randint(1, 60)]
            case 4:
                del made[at:]
            case _:
                other = rng.randrange(len(made) + 1)
                piece = made[other : other + rng.randint(1, 30)]
                made[at : at + len(piece)] = piece
    return bytes(made)


def harmful():
    """(name of the harm, format, file name, content) of files made to harm."""
    wide = ",".join(f"c{i}" for i in range(10_000))
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol"}">' for i in range(10))
    nested = b'{"resourceType":"Bundle","entry":' + b"[" * 100_000
    return [
        ("entity bomb", "odm", "a.xml", f"<!DOCTYPE ODM [{laughs}]><ODM>&l9;</ODM>".encode()),
        ("outside entity", "odm", "a.xml",
         b'<!DOCTYPE ODM [<!ENTITY x SYSTEM "file:///etc/passwd">]><ODM>&x;</ODM>'),
        ("deep XML", "odm", "a.xml", b"<ODM>" + b"<a>" * 5_000 + b"</a>" * 5_000 + b"</ODM>"),
        ("deep JSON", "fhir", "a.json", nested),
        ("zip bomb", "redcap", "a.zip", zipped({"data.csv": b"0" * 210_000_000})),
        ("zip bomb as workbook", "table", "a.xlsx", zipped({"xl/worksheets/sheet1.xml": b" " * 210_000_000})),
        ("path in a zip", "redcap", "a.zip", zipped({"../../etc/x.csv": REDCAP})),
        ("10,000 columns", "table", "a.csv", (wide + "\n" + wide + "\n").encode()),
        ("10,000 columns of REDCap", "redcap", "a.csv", (wide + "\n" + wide + "\n").encode()),
        ("NUL", "table", "a.csv", SHEET.replace(b"calm", b"ca\0lm")),
        ("UTF-16 unsaid", "table", "a.csv", SHEET.decode().encode("utf-16")),
        ("one endless cell", "table", "a.csv", SHEET + b'A-4,"' + b"x" * 2_000_000),
        ("empty", "table", "a.csv", b""),
        ("a program", "table", "a.exe", b"MZ"),
        ("infinite number", "fhir", "a.json", FHIR.replace(b"3.5", b"Infinity")),
        ("huge number", "fhir", "a.json", FHIR.replace(b"3.5", b"9" * 400)),
    ]  # fmt: skip


def frame_counts(models):
    """Rows of every imported table."""
    return pl.DataFrame({name: [model.objects.count()] for name, model in models.items()})
