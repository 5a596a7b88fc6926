"""Signed notes and checkpoints: the specifications' own examples, and everything that must not pass for one."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.audit.formats.checkpoint import Checkpoint, cosign, open_checkpoint, parse_checkpoint, sign_checkpoint
from carbon_bank.audit.formats.merkle import SIZE_MAX
from carbon_bank.audit.formats.note import (
    COSIGNATURE,
    ED25519,
    TIMESTAMP_MAX,
    Note,
    SigningKey,
    VerifierKey,
    parse_note,
    parse_skey,
    sign_note,
    skey_text,
    verify_note,
)
from carbon_bank.foundation.errors import InvalidInput
from tests.audit.made_up import KEY, NEXT_KEY, ORIGIN, OTHER_WITNESS, WITNESS

EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n\n\u2014 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
CHECKPOINT = Checkpoint(ORIGIN, 42, bytes(range(100, 132)))
SIGNED = sign_checkpoint(CHECKPOINT, KEY)
NOW = 1_785_000_000


def code_of(act: Any, *arguments: Any) -> str:
    with pytest.raises(InvalidInput) as refused:
        act(*arguments)
    return refused.value.code


def test_the_example_of_the_specification_is_verified() -> None:
    key = VerifierKey.parse(EXAMPLE_KEY)
    assert (str(key), key.name, key.id.hex()) == (EXAMPLE_KEY, "example.com/foo", "530d903a")
    note = parse_note(EXAMPLE.encode())
    assert bytes(note) == EXAMPLE.encode()
    assert list(verify_note(note, [key])) == [key]
    assert code_of(verify_note, Note("Another.\n", note.signatures), [key]) == "audit.signature"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        EXAMPLE_KEY.replace("530d903a", "530d903b"),
        EXAMPLE_KEY.replace("530d903a", "530D903A"),
        EXAMPLE_KEY.replace("example", "examplf"),
        EXAMPLE_KEY + "\n",
        EXAMPLE_KEY[:-4],
        EXAMPLE_KEY.replace("+Aeky", "+Aeky "),
        EXAMPLE_KEY.replace("+Ae", "+Ag"),
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+",
    ],
)
def test_a_malformed_verifier_key_is_refused(text: str) -> None:
    assert code_of(VerifierKey.parse, text) == "audit.key"


def test_a_key_for_witnessing_has_another_id_than_the_same_key_for_signing() -> None:
    signing = SigningKey("w", WITNESS.seed).verifier
    witnessing = SigningKey("w", WITNESS.seed, COSIGNATURE).verifier
    assert signing.public == witnessing.public
    assert signing.id != witnessing.id
    assert VerifierKey.parse(str(witnessing)) == witnessing
    assert str(WITNESS.seed) not in repr(WITNESS)
    for name, seed, kind in (("w", b"short", COSIGNATURE), ("w w", WITNESS.seed, COSIGNATURE), ("w", WITNESS.seed, 6)):
        assert code_of(SigningKey, name, seed, kind) == "audit.key"


GO_SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_the_signing_key_of_gos_documentation_signs_as_it_does_there() -> None:
    key = parse_skey(GO_SKEY)
    assert (skey_text(key), str(key.verifier)) == (GO_SKEY, GO_VKEY)
    assert str(key.sign(GO_TEXT)) == f"\u2014 PeterNeumann {GO_SIGNATURE}\n"


@given(st.binary(min_size=32, max_size=32), st.sampled_from([ED25519, COSIGNATURE]))
def test_a_signing_key_comes_back_from_its_text(seed: bytes, kind: int) -> None:
    key = SigningKey("witness.example/w1", seed, kind)
    assert parse_skey(skey_text(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PRIVATE+KEY+",
        GO_VKEY,
        GO_SKEY + "\n",
        " " + GO_SKEY,
        GO_SKEY.removeprefix("PRIVATE+KEY+"),
        GO_SKEY.replace("PRIVATE", "private"),
        GO_SKEY.replace("c74f20a3", "c74f20a4"),
        GO_SKEY.replace("c74f20a3", "C74F20A3"),
        GO_SKEY.replace("Peter", "Petra"),
        GO_SKEY.replace("Peter", ""),
        GO_SKEY.replace("Neumann", " Neumann"),
        GO_SKEY.replace("+AY", "+BY"),
        GO_SKEY.replace("+AY", "+AY "),
        GO_SKEY.replace("+AY", "+Ag"),
        GO_SKEY[:-4],
        GO_SKEY[:-1] + "=",
        GO_SKEY[:-4] + "\u00e9\u00e9\u00e9\u00e9",
        "PRIVATE+KEY+PeterNeumann+c74f20a3+",
    ],
    ids=range(19),
)
def test_a_malformed_signing_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_skey(text)
    assert (refused.value.code, refused.value.facts) == ("audit.key", {})
    assert "EKFALVFGyNhP" not in refused.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"text\n",
        EXAMPLE.encode()[:-1],
        EXAMPLE.encode() + b"\n",
        EXAMPLE.encode() + b"\n\n",
        EXAMPLE.replace("\n\n", "\n").encode(),
        EXAMPLE.replace("\n", "\r\n").encode(),
        EXAMPLE.replace("This", "Th\tis").encode(),
        EXAMPLE.replace("This", "Th\x00is").encode(),
        EXAMPLE.encode().replace(b"This", b"Th\xffis"),
        EXAMPLE.replace("\u2014 ", "- ").encode(),
        EXAMPLE.replace("\u2014 ", "\u2014  ").encode(),
        EXAMPLE.replace("/foo ", "/foo  ").encode(),
        EXAMPLE.replace("/foo ", "/f+oo ").encode(),
        EXAMPLE.replace("/foo ", "/f\u00a0oo ").encode(),
        EXAMPLE.replace("yaQM=", "yaQM").encode(),
        EXAMPLE.replace("yaQM=", "yaQN=").encode(),
        EXAMPLE.replace("yaQM=", "yaQM= ").encode(),
        b"text\n\n\xe2\x80\x94 example.com/foo Uw2QOg==\n",
        b"text\n\n\xe2\x80\x94 example.com/foo \n",
        b"text\n\n" + b"\xe2\x80\x94 example.com/foo Uw2QOkk=\n" * 101,
        b"x" * 1_000_000 + EXAMPLE.encode(),
    ],
    ids=range(23),
)
def test_a_malformed_note_is_refused(data: bytes) -> None:
    assert code_of(parse_note, data) == "audit.note"


def test_the_last_empty_line_parts_text_and_signatures() -> None:
    note = sign_note("a poem\n\n\u2014 no signature\n\nits end\n", KEY)
    assert parse_note(bytes(note)) == note
    assert list(verify_note(note, [KEY.verifier])) == [KEY.verifier]
    for text in ("no newline", "", "half a \ud800 character\n", "tab\t\n"):
        assert code_of(sign_note, text, KEY) == "audit.note"


def test_signatures_of_unknown_keys_are_passed_over_and_wrong_ones_of_known_keys_are_not() -> None:
    keys = [KEY.verifier, NEXT_KEY.verifier]
    [stray] = sign_note("something else\n", NEXT_KEY).signatures
    note = SIGNED.with_signatures(stray)
    assert list(verify_note(note, keys[:1])) == keys[:1]
    assert code_of(verify_note, note, keys) == "audit.signature"
    assert verify_note(SIGNED, keys[1:]) == {}
    assert code_of(open_checkpoint, bytes(SIGNED), keys[1:]) == "audit.unsigned"


def test_while_keys_change_either_key_verifies_the_checkpoint() -> None:
    both = bytes(sign_checkpoint(CHECKPOINT, KEY, NEXT_KEY))
    for keys in ([KEY.verifier], [NEXT_KEY.verifier], [KEY.verifier, NEXT_KEY.verifier]):
        opened = open_checkpoint(both, keys)
        assert (opened.checkpoint, list(opened.signed_by)) == (CHECKPOINT, keys)


def test_a_checkpoint_of_another_origin_is_refused_whoever_signed_it() -> None:
    other = SigningKey("bank.example/log/shelbyville", KEY.seed)
    note = sign_note(CHECKPOINT.text, other)
    assert code_of(open_checkpoint, bytes(note), [other.verifier]) == "audit.unsigned"
    assert code_of(open_checkpoint, bytes(note), [other.verifier, KEY.verifier]) == "audit.unsigned"


def test_witnesses_are_counted_by_key_and_their_time_is_signed() -> None:
    witnessed = SIGNED.with_signatures(cosign(CHECKPOINT, WITNESS, NOW), cosign(CHECKPOINT, OTHER_WITNESS, NOW + 1))
    witnesses = [WITNESS.verifier, OTHER_WITNESS.verifier]
    opened = open_checkpoint(bytes(witnessed), [KEY.verifier], witnesses, 2)
    assert [each.timestamp for each in opened.witnessed_by.values()] == [NOW, NOW + 1]
    assert code_of(open_checkpoint, bytes(SIGNED), [KEY.verifier], witnesses, 1) == "audit.unwitnessed"
    alias = SigningKey("witness.example/alias", WITNESS.seed, COSIGNATURE)
    twice = SIGNED.with_signatures(cosign(CHECKPOINT, WITNESS, NOW), cosign(CHECKPOINT, alias, NOW))
    known = [WITNESS.verifier, alias.verifier]
    assert code_of(open_checkpoint, bytes(twice), [KEY.verifier], known, 2) == "audit.unwitnessed"
    signature = cosign(CHECKPOINT, WITNESS, NOW)
    for place in range(len(signature.signature)):
        wrong = bytearray(signature.signature)
        wrong[place] ^= 0x80
        assert not WITNESS.verifier.verifies(CHECKPOINT.text, bytes(wrong)), place
    assert code_of(cosign, CHECKPOINT, WITNESS, TIMESTAMP_MAX + 1) == "audit.timestamp"
    assert code_of(cosign, CHECKPOINT, WITNESS, -1) == "audit.timestamp"
    late = 2**63  # a witness may sign it; nobody has to believe it
    signed = SigningKey(ORIGIN, WITNESS.seed).sign(f"cosignature/v1\ntime {late}\n{CHECKPOINT.text}").signature
    assert not WITNESS.verifier.verifies(CHECKPOINT.text, late.to_bytes(8, "big") + signed)


def test_a_witness_cannot_stand_in_for_the_log() -> None:
    posing = SigningKey(ORIGIN, WITNESS.seed, COSIGNATURE)
    note = Note(CHECKPOINT.text, (cosign(CHECKPOINT, posing, NOW),))
    assert code_of(open_checkpoint, bytes(note), [posing.verifier]) == "audit.unsigned"


ROOT = base64.b64encode(CHECKPOINT.root).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n42\n{ROOT}",
        f"{ORIGIN}\n42\n",
        f"\n42\n{ROOT}\n",
        f"{ORIGIN}\n042\n{ROOT}\n",
        f"{ORIGIN}\n+42\n{ROOT}\n",
        f"{ORIGIN}\n-1\n{ROOT}\n",
        f"{ORIGIN}\n4_2\n{ROOT}\n",
        f"{ORIGIN}\n\u0664\u0662\n{ROOT}\n",
        f"{ORIGIN}\n{SIZE_MAX + 1}\n{ROOT}\n",
        f"{ORIGIN}\n{10**30}\n{ROOT}\n",
        f"{ORIGIN}\n42\n{ROOT[:-2]}\n",
        f"{ORIGIN}\n42\n{ROOT[:-4]}\n",
        f"{ORIGIN}\n42\n{ROOT}\n\n",
        f"{ORIGIN}\n42\n{ROOT}\n\nmore\n",
        "",
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    assert code_of(parse_checkpoint, text) == "audit.checkpoint"


def test_lines_that_others_add_to_a_checkpoint_are_kept() -> None:
    extended = Checkpoint(ORIGIN, SIZE_MAX, CHECKPOINT.root, ("more", "and more"))
    assert parse_checkpoint(extended.text) == extended
    assert parse_checkpoint(Checkpoint(ORIGIN, 0, CHECKPOINT.root).text).size == 0


@given(st.integers(0, len(bytes(SIGNED)) - 1), st.integers(0, 7))
def test_a_changed_bit_anywhere_in_a_checkpoint_is_found(place: int, bit: int) -> None:
    wrong = bytearray(bytes(SIGNED))
    wrong[place] ^= 1 << bit
    assert code_of(open_checkpoint, bytes(wrong), [KEY.verifier]).startswith("audit.")
