"""No dressing of a parenteral word lets it through; no dressing of an enteral word makes it one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.errors import InputError, SafetyError
from commensal.vocabulary import Route, read_route, routes
from commensal.vocabulary.sources import read_table

ENTERAL = [route.value for route in Route] + [s for r in routes() for s in r.synonyms]
WORDS = [
    *read_table("routes.toml")["parenteral"]["spelled"],
    "iv",
    "i.v.",
    "sc",
    "静脉",
    "注射",
    "vein",
]
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


@st.composite
def dressed(draw: st.DrawFn, words: list[str]) -> str:
    word = draw(st.sampled_from(words))
    letters = [
        draw(st.sampled_from([c.lower(), c.upper()])) + draw(st.text(INVISIBLE, max_size=1)) for c in word
    ]
    text = "".join(letters)
    return full_width(text) if draw(st.booleans()) else text


@given(
    dressed(WORDS),
    st.sampled_from([*ENTERAL, "", "sham"]),
    st.sampled_from([" ", "/", " + ", ", then ", "，"]),
)
@settings(deadline=None, max_examples=80)
def test_parenteral_is_refused_beside_anything(bad: str, enteral: str, between: str):
    for text in (bad, enteral + between + bad, bad + between + enteral):
        with pytest.raises(SafetyError):
            read_route(text)


@pytest.mark.slow
@given(dressed(ENTERAL))
@settings(deadline=None, max_examples=80)
def test_enteral_names_are_read_in_any_dress(text: str):
    assert read_route(text).codes


@pytest.mark.slow
@given(st.text(max_size=40))
@settings(deadline=None, max_examples=80)
def test_any_text_is_read_or_refused_cleanly(text: str):
    try:
        read = read_route(text)
    except InputError:
        return
    assert all(isinstance(code, Route) for code in read.codes)
