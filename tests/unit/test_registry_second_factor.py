"""Codes of the second factor against the test values of RFC 6238, and what is not accepted."""

import base64

import pytest

from commensal.errors import RefusedError
from commensal.registry.second_factor import (
    Lock,
    address_of,
    new_codes,
    new_secret,
    step_of,
    typed,
)

SECRET = b"12345678901234567890"
RFC_6238 = {59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 20000000000: "65353130"}


@pytest.mark.parametrize(("at", "code"), RFC_6238.items())
def test_the_codes_are_those_of_the_standard(at, code):
    assert step_of(code[-6:], secret=SECRET, at=at) == at // 30


def test_clocks_may_differ_by_a_step_and_no_more():
    assert step_of("287082", secret=SECRET, at=59 + 30) == 1
    assert step_of("287082", secret=SECRET, at=29) == 1
    assert step_of("287082", secret=SECRET, at=59 + 61) is None


def test_no_code_is_taken_twice():
    assert step_of("287082", secret=SECRET, at=59, last_step=0) == 1
    assert step_of("287082", secret=SECRET, at=59, last_step=1) is None
    assert step_of("287082", secret=SECRET, at=59, last_step=2) is None


@pytest.mark.parametrize("code", ["", "28708", "2870820", "28708a", "٢٨٧٠٨٢", "-87082", "287 083"])
def test_what_is_no_code_is_not_accepted(code):
    assert step_of(code, secret=SECRET, at=59) is None


def test_spaces_do_not_matter():
    assert step_of(" 287 082 ", secret=SECRET, at=59) == 1


def test_a_secret_is_sealed_and_another_key_does_not_open_it():
    sealed = Lock.of("one").seal(SECRET)
    assert SECRET.decode() not in sealed
    assert Lock.of("one").open(sealed) == SECRET
    with pytest.raises(RefusedError, match="signing key"):
        Lock.of("two").open(sealed)


def test_codes_for_recovery_are_many_random_and_marked_however_typed():
    codes = new_codes()
    assert len(set(codes)) == 10
    lock = Lock.of("one")
    assert all(len(code.replace("-", "")) == 16 for code in codes)
    assert lock.mark(codes[0]) == lock.mark(codes[0].lower().replace("-", " "))
    assert lock.mark(codes[0]) != lock.mark(codes[1])
    assert lock.mark(codes[0]) != Lock.of("two").mark(codes[0])


def test_an_authenticator_can_read_the_secret():
    secret = new_secret()
    assert len(secret) == 20
    text = typed(secret).replace(" ", "")
    assert base64.b32decode(text) == secret
    address = address_of(secret, account="ann")
    assert address.startswith("otpauth://totp/Commensal:ann?")
    assert f"secret={text}" in address
