"""Receipts: written, read back, and worth nothing once anything in them is changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.audit.formats.checkpoint import cosign
from carbon_bank.audit.formats.receipt import Receipt, parse_receipt, verify_receipt
from carbon_bank.foundation.errors import InvalidInput
from tests.audit.made_up import KEY, WITNESS, MadeUpLog, entry

LOG = MadeUpLog()
SIGNED = LOG.add([entry(index) for index in range(300)])
RECEIPT = LOG.receipt(260, SIGNED)
WRITTEN = bytes(RECEIPT)
HEAD, CHECKPOINT = WRITTEN.split(b"\n\n", 1)


@given(st.integers(0, 299), st.none() | st.binary(min_size=1, max_size=200))
def test_a_receipt_is_read_back_and_proves_its_entry(index: int, extra: bytes | None) -> None:
    receipt = parse_receipt(bytes(LOG.receipt(index, SIGNED, extra)))
    assert receipt == LOG.receipt(index, SIGNED, extra)
    assert verify_receipt(receipt, entry(index), [KEY.verifier]).checkpoint.size == 300
    with pytest.raises(InvalidInput, match="does not lead"):
        verify_receipt(receipt, entry(index + 1), [KEY.verifier])


def test_a_receipt_carries_its_witnesses() -> None:
    opened = verify_receipt(RECEIPT, entry(260), [KEY.verifier])
    witnessed = SIGNED.with_signatures(cosign(opened.checkpoint, WITNESS, 1_785_000_000))
    receipt = parse_receipt(bytes(LOG.receipt(260, witnessed)))
    assert list(verify_receipt(receipt, entry(260), [KEY.verifier], [WITNESS.verifier], 1).witnessed_by) == [
        WITNESS.verifier
    ]
    with pytest.raises(InvalidInput, match="witnesses"):
        verify_receipt(RECEIPT, entry(260), [KEY.verifier], [WITNESS.verifier], 1)


def test_the_only_leaf_of_a_log_needs_no_hash() -> None:
    log = MadeUpLog()
    receipt = log.receipt(0, log.add([b""]))
    assert bytes(receipt).startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\nbank.example/")
    verify_receipt(parse_receipt(bytes(receipt)), b"", [KEY.verifier])


@given(st.integers(0, len(WRITTEN) - 1), st.integers(0, 7))
def test_a_changed_bit_anywhere_is_found(place: int, bit: int) -> None:
    wrong = bytearray(WRITTEN)
    wrong[place] ^= 1 << bit
    with pytest.raises(InvalidInput):
        verify_receipt(parse_receipt(bytes(wrong)), entry(260), [KEY.verifier])


def test_a_receipt_cut_off_anywhere_is_refused() -> None:
    for end in range(len(WRITTEN)):
        with pytest.raises(InvalidInput):
            verify_receipt(parse_receipt(WRITTEN[:end]), entry(260), [KEY.verifier])


HASH = b"A" * 43 + b"="


@pytest.mark.parametrize(
    "data",
    [
        b"",
        WRITTEN.replace(b"@v1", b"@v2"),
        WRITTEN.replace(b"index 260", b"index 0260"),
        WRITTEN.replace(b"index 260", b"index -1"),
        WRITTEN.replace(b"index 260", b"index  260"),
        WRITTEN.replace(b"index 260", b"index 9223372036854775808"),
        WRITTEN.replace(b"index 260\n", b""),
        WRITTEN.replace(b"index 260", b"extra \nindex 260"),
        WRITTEN.replace(b"index 260", b"extra !\nindex 260"),
        WRITTEN.replace(b"index 260", b"index 260\nextra YQ=="),
        WRITTEN.replace(b"index 260", b"extra YQ==\nextra YQ==\nindex 260"),
        WRITTEN.replace(b"index 260", b"extra " + b"AAAA" * 21_846 + b"\nindex 260"),
        WRITTEN.replace(b"\n", b"\r\n"),
        HEAD + b"\n" + b"\n".join([HASH] * 60) + b"\n\n" + CHECKPOINT,
        HEAD + b"\nYQ==\n\n" + CHECKPOINT,
        HEAD + "\né\n\n".encode() + CHECKPOINT,
        HEAD + b"\n\n" + b"A" * 1_100_001,
    ],
    ids=range(17),
)
def test_a_malformed_receipt_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_receipt(data)
    assert refused.value.code == "audit.receipt"


def test_extra_data_is_carried_and_not_vouched_for() -> None:
    receipt = Receipt(RECEIPT.index, RECEIPT.proof, RECEIPT.checkpoint, b"anything")
    assert parse_receipt(bytes(receipt)).extra == b"anything"
    verify_receipt(receipt, entry(260), [KEY.verifier])
