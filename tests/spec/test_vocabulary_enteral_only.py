"""Fecal material goes into the gut: every other way is refused, however it is spelled."""

import pytest

from commensal.errors import InputError, SafetyError
from commensal.vocabulary import Route, is_compatible, read_route, refuse_parenteral, routes

PARENTERAL = """
intravenous | Intravenously | IV | i.v. | I.V | I.V. | i v | i/v | iv drip | IV-infusion | p.i.v.
intra venous | venous | vein | via the vein | peripheral vein | peripheral line | venipuncture
venepuncture | transvenous | injection | Injected | inj. | intramuscular | IM | i.m. | subcutaneous
SC | s.c. | subQ | intraperitoneal | i.p. | IP | intrathecal | i.t. | intra-arterial | i.a.
intradermal | i.d. | parenteral | inhaled | inhalation | nebulised | 静脉 | 静脉注射 | 经静脉 | 注射
皮下 | 皮下注射 | 肌肉 | 肌注 | 腹腔 | 动脉 | 鞘内 | 输液 | 静 脉 | 靜脈 | colonoscopy + IV
colonoscopy/静脉 | oral capsule, then injected | enema (s/c) | sham iv | placebo intravenous | ＩＶ
ｉ.ｖ． | Ⅳ | ɪᴠ | intravenös | intraveineuse | intravenosa | внутривенно | 정맥 | i\u200bv
intra\u00advenous | in\u200dtra\u2060venous | і.v. | іntravenous | i n t r a v e n o u s
INTRA_VENOUS | intravenus | intravanous | subcutanous | intramuscluar | blood | bloodstream
central line | PICC
bronchoscopy | endotracheal | intranasal spray | intra-articular needle | intravesical | colonoscopy + lV | 1V
"""


@pytest.mark.parametrize(
    "text", [t.strip() for line in PARENTERAL.strip().splitlines() for t in line.split("|")]
)
def test_a_parenteral_wording_is_a_safety_error(text: str):
    with pytest.raises(SafetyError) as error:
        read_route(text)
    assert repr(text)[1:-1] in error.value.what
    assert "enteral" in error.value.expected
    assert error.value.exit_code == 3
    with pytest.raises(SafetyError):
        Route(text)
    with pytest.raises(SafetyError):
        refuse_parenteral(text)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("colonoscopy", ["colonoscopy"]),
        ("Colonoscopy/sigmoidoscopy", ["colonoscopy", "flexible_sigmoidoscopy"]),
        ("sigmoidoscopy, then colonoscopy", ["flexible_sigmoidoscopy", "colonoscopy"]),
        ("colonoscopy+daily frozen capsules", ["colonoscopy", "oral_capsule_frozen"]),
        ("ＣＯＬＯＮＯＳＣＯＰＹ", ["colonoscopy"]),
        ("colon\u200boscopy", ["colonoscopy"]),
        ("结肠镜", ["colonoscopy"]),
        ("乙状结肠镜", ["flexible_sigmoidoscopy"]),
        ("灌肠", ["retention_enema"]),
        ("经内镜结肠植管 + 冻干胶囊", ["colonic_tet", "oral_capsule_lyophilised"]),
        ("naso-jejunal", ["nasojejunal"]),
        ("NG tube", ["nasogastric"]),
        ("stoma, distal limb", ["stoma_distal_limb"]),
        ("colonoscopy, saline vehicle, in half dose", ["colonoscopy"]),
        ("colonoscopy after IVF pregnancy", ["colonoscopy"]),
        ("enema b.i.d.", ["retention_enema"]),
        ("enema, into the distal colon", ["retention_enema"]),
        ("via nasojejunal tube in jejunum", ["nasojejunal"]),
        ("intraduodenal infusion at gastroscopy", ["gastroscopy_duodenal"]),
        ("PEG", ["peg_pej_jejunostomy"]),
        (None, []),
        ("", []),
        (" - ", []),
    ],
)
def test_enteral_wordings_are_read_in_order(text: str | None, codes: list[str]):
    assert [code.value for code in read_route(text).codes] == codes


@pytest.mark.parametrize(
    ("text", "unspecific"),
    [
        ("oral/rectal initial high dose then oral maintenance", ("oral", "rectal")),
        ("oral", ("oral",)),
        ("胶囊", ("oral",)),
        ("鼻肠管", ("nasoenteric",)),
        ("经内镜肠道植管", ("tet",)),
        ("endoscopic", ("endoscopy",)),
    ],
)
def test_a_wording_that_several_routes_share_is_not_guessed(text: str, unspecific: tuple[str, ...]):
    read = read_route(text)
    assert read.codes == ()
    assert read.unspecific == unspecific
    assert read.code is None


def test_one_route_beside_a_vague_one_is_not_the_whole_story():
    assert read_route("colonoscopy").code is Route.COLONOSCOPY
    assert read_route("colonoscopy and oral").code is None
    assert read_route("oral (frozen capsules)").code is Route.ORAL_CAPSULE_FROZEN
    assert read_route("enema by rectal tube").code is Route.RETENTION_ENEMA


@pytest.mark.parametrize("text", ["sham", "Placebo", "placebo via colonoscopy", "安慰剂"])
def test_a_control_has_no_route(text: str):
    read = read_route(text)
    assert read.is_control
    assert read.codes == ()


@pytest.mark.parametrize("text", ["telepathy", "n/a", "42", "IVF", "§", "???!"])
def test_unknown_text_is_refused_and_not_a_route(text: str):
    with pytest.raises(InputError) as error:
        read_route(text)
    assert not isinstance(error.value, SafetyError)


def test_a_misspelled_route_names_the_nearest():
    with pytest.raises(InputError, match="colonoscopy"):
        read_route("colonscopie")


def test_the_list_of_routes_is_closed():
    assert len(Route) == 13
    with pytest.raises(AttributeError):
        Route.COLONOSCOPY = "intravenous"  # type: ignore[misc]
    with pytest.raises(TypeError):

        class More(Route):  # type: ignore[misc]
            INTRAVENOUS = "intravenous"


def test_products_fit_their_routes():
    assert is_compatible("frozen_capsule", route=Route.ORAL_CAPSULE_FROZEN)
    assert not is_compatible("frozen_capsule", route=Route.COLONOSCOPY)
    assert not is_compatible("live_biotherapeutic_rectal", route=Route.NASOJEJUNAL)
    assert {routes().get(route).reach for route in ("nasogastric", "midgut_tet")} == {"upper"}
