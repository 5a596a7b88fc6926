"""The keys and commitments of entries: HMAC as everybody else computes it."""

from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.audit.log.canonical import commit
from carbon_bank.audit.log.entries import LEAF_LABEL, POSTING_DOMAIN, Opening, commitment, hmac_sha256, leaf_key

key = st.binary(max_size=64)


@given(key, st.binary(max_size=300))
def test_hmac_is_that_of_the_standard_library(secret: bytes, message: bytes) -> None:
    assert hmac_sha256(secret, message) == hmac.digest(secret, message, "sha256")


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**53))
def test_each_leaf_has_a_key_of_its_own_and_its_commitment_opens_as_any_other(secret: bytes, leaf: int) -> None:
    own = leaf_key(secret, leaf)
    assert own == hmac.digest(secret, LEAF_LABEL + str(leaf).encode(), "sha256")
    assert own != leaf_key(secret, leaf + 1)
    assert commitment(Opening(POSTING_DOMAIN, own, '{"a":1}')) == commit(own, POSTING_DOMAIN, {"a": 1})
