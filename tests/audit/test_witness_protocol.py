"""What passes between a log and a witness: every form of it, and everything that must not pass for one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.audit.formats.checkpoint import Checkpoint, cosign, open_checkpoint, sign_checkpoint
from carbon_bank.audit.formats.merkle import EMPTY_ROOT, SIZE_MAX
from carbon_bank.audit.formats.note import COSIGNATURE, Note, SigningKey, encode
from carbon_bank.audit.formats.tiles import Tile, hashes_from
from carbon_bank.audit.witnesses.protocol import (
    AHEAD_SECONDS_MAX,
    AddCheckpoint,
    Status,
    check_growth,
    contradicts,
    cosignature_in,
    growth_request,
    open_submitted,
    parse_request,
    parse_stale,
    status_of,
    tiles_for_growth,
    with_cosignatures,
)
from carbon_bank.foundation.errors import Refusal
from tests.audit.made_up import KEY, NEXT_KEY, ORIGIN, OTHER_WITNESS, WITNESS, MadeUpLog, entry

NOW = 1_785_000_000
LOG = MadeUpLog()
NOTES = [LOG.add([entry(index)]) for index in range(600)]
"""The checkpoint of each size from 1 on."""
TREES = [open_checkpoint(bytes(note), [KEY.verifier]).checkpoint for note in NOTES]
SIGNED = bytes(NOTES[41])
COSIGNATURE_LINE = str(cosign(TREES[41], WITNESS, NOW))

EXAMPLE = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""
"""The request in tlog-witness, with the first of its two signatures."""


def refusal_of(act: Any, *arguments: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        act(*arguments)
    return refused.value


def answer_to(act: Any, *arguments: Any) -> Status:
    return status_of(refusal_of(act, *arguments))


def test_the_example_of_the_specification_is_read() -> None:
    request = parse_request(EXAMPLE.encode())
    assert (request.old, len(request.proof)) == (20852014, 4)
    assert request.checkpoint.startswith(b"example.com/behind-the-sofa\n20852163\n")
    assert bytes(request) == EXAMPLE.encode()
    assert answer_to(open_submitted, request.checkpoint, [KEY.verifier]) == Status.UNKNOWN_LOG


HASH = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
CHECKPOINT = SIGNED.decode()


@pytest.mark.parametrize(
    "head",
    [
        "",
        "\n",
        "old\n\n",
        "old \n\n",
        "old  1\n\n",
        " old 1\n\n",
        "Old 1\n\n",
        "old 01\n\n",
        "old -1\n\n",
        "old +1\n\n",
        "old 1.0\n\n",
        "old 1 \n\n",
        "old \u0661\n\n",
        f"old {SIZE_MAX + 1}\n\n",
        "old 1\r\n\n",
        "new 1\n\n",
        f"old 1\n{HASH[:-2]}\n\n",
        f"old 1\n{HASH[:-5]}\n\n",
        f"old 1\n {HASH}\n",
        f"old 1\n{HASH.replace('kaw=', 'kax=')}\n",
        f"old 1\nAAAA\n{HASH}\n",
        "old 1\n\u00e9\n\n",
        f"old 1\n{HASH * 64}\n",
        HASH + "old 1\n\n",
    ],
    ids=range(24),
)
def test_a_malformed_request_cannot_be_read(head: str) -> None:
    assert refusal_of(parse_request, (head + CHECKPOINT).encode()).code == "audit.add_checkpoint"


@given(st.binary() | st.text(alphabet="old 019\n+/=A\u2014").map(str.encode))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    for read in (
        lambda: open_submitted(parse_request(b"old " + data).checkpoint, [KEY.verifier]),
        lambda: parse_stale(data),
        lambda: cosignature_in(data, SIGNED, WITNESS.verifier, NOW),
    ):
        with suppress(Refusal):
            read()


def test_a_request_without_a_checkpoint_or_with_a_broken_one_cannot_be_read() -> None:
    assert len(parse_request(f"old 1\n{HASH * 63}\n{CHECKPOINT}".encode()).proof) == 63
    assert answer_to(parse_request, b"old 1\n") == Status.UNREADABLE
    assert answer_to(parse_request, b"old 1\n\xff\n\n" + SIGNED) == Status.UNREADABLE
    for data in (b"", SIGNED[:-1], SIGNED.replace(b"\n42\n", b"\n042\n"), b"\xff" + SIGNED):
        assert answer_to(open_submitted, data, [KEY.verifier]) == Status.UNREADABLE


def test_an_unknown_log_is_told_before_a_signature_is_looked_at() -> None:
    other = SigningKey("bank.example/log/shelbyville", KEY.seed)
    note = sign_checkpoint(Checkpoint(other.name, 42, TREES[41].root), other)
    assert answer_to(open_submitted, bytes(note), [KEY.verifier]) == Status.UNKNOWN_LOG
    assert open_submitted(bytes(note), [KEY.verifier, other.verifier]).checkpoint.origin == other.name
    stray = Note(note.text, sign_checkpoint(TREES[41], KEY).signatures)
    assert answer_to(open_submitted, bytes(stray), [KEY.verifier]) == Status.UNKNOWN_LOG
    assert answer_to(open_submitted, bytes(stray), [KEY.verifier, other.verifier]) == Status.UNSIGNED


def test_only_a_sound_signature_of_a_known_key_counts() -> None:
    keys = [KEY.verifier]
    unsigned = sign_checkpoint(TREES[41], NEXT_KEY)
    assert answer_to(open_submitted, bytes(unsigned), keys) == Status.UNSIGNED
    assert answer_to(open_submitted, SIGNED.replace(b"\n42\n", b"\n43\n"), keys) == Status.UNSIGNED
    both = NOTES[41].with_signatures(*NOTES[42].signatures)  # one key twice, and wrong the second time
    assert answer_to(open_submitted, bytes(both), keys) == Status.UNSIGNED
    passed_over = NOTES[41].with_signatures(*unsigned.signatures)
    assert [*open_submitted(bytes(passed_over), keys).signed_by] == keys
    posing = SigningKey(ORIGIN, KEY.seed, COSIGNATURE)
    assert answer_to(
        open_submitted, bytes(Note(TREES[41].text, (cosign(TREES[41], posing, NOW),))), [posing.verifier]
    ) == (Status.UNSIGNED)


sizes = st.integers(1, len(NOTES))


@given(sizes, sizes, st.data())
def test_growth_passes_from_the_tree_the_witness_has_and_no_other(one: int, other: int, data: st.DataObject) -> None:
    old, size = sorted((one, other))
    latest, tree = TREES[old - 1], TREES[size - 1]
    hash_at = LOG.hash_at(size) if size in {1, 600} else hashes_from(size, LOG.read)
    request = growth_request(old, size, hash_at, bytes(NOTES[size - 1]))
    assert parse_request(bytes(request)) == request
    check_growth(request, tree, latest)
    for known in (None, TREES[data.draw(sizes) - 1]):
        if known is None or known.size != old:
            refusal = refusal_of(check_growth, request, tree, known)
            assert (status_of(refusal), refusal.facts["size"]) == (Status.STALE, known.size if known else 0)
    changed = Checkpoint(ORIGIN, old, bytes(32))
    assert answer_to(check_growth, request, tree, changed) == Status.INCONSISTENT
    proof = [*request.proof]
    longer = AddCheckpoint(old, (*proof, bytes(32)), request.checkpoint)
    assert answer_to(check_growth, longer, tree, latest) == Status.INCONSISTENT
    if proof:
        proof[data.draw(st.integers(0, len(proof) - 1))] = bytes(32)
        assert answer_to(check_growth, AddCheckpoint(old, tuple(proof), b""), tree, latest) == Status.INCONSISTENT


@given(sizes, sizes)
def test_the_tiles_for_a_proof_are_known_beforehand(one: int, other: int) -> None:
    old, size = sorted((one, other))
    tiles = {tile: LOG.read(tile) for tile in tiles_for_growth(old, size)}
    request = growth_request(old, size, hashes_from(size, tiles.__getitem__), b"")
    check_growth(request, TREES[size - 1], TREES[old - 1])
    assert tiles_for_growth(0, size) == []


def test_the_tiles_of_a_large_proof_are_few() -> None:
    assert len(tiles_for_growth(10**12 + 1, 10**12 + 10**6)) < 12
    assert tiles_for_growth(256, 257) == [Tile(0, 1, 1)]


def test_growth_from_nothing_needs_no_proof_and_takes_none() -> None:
    first = AddCheckpoint(0, (), b"")
    check_growth(first, TREES[0], None)
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    check_growth(first, empty, None)
    check_growth(first, empty, empty)
    check_growth(first, TREES[9], empty)
    assert answer_to(check_growth, AddCheckpoint(0, (bytes(32),), b""), TREES[0], None) == Status.INCONSISTENT
    assert answer_to(check_growth, AddCheckpoint(0, (bytes(32),), b""), empty, empty) == Status.INCONSISTENT
    assert answer_to(check_growth, first, Checkpoint(ORIGIN, 0, bytes(32)), None) == Status.INCONSISTENT
    assert answer_to(check_growth, first, TREES[0], TREES[0]) == Status.STALE


def test_a_smaller_tree_is_no_growth() -> None:
    assert answer_to(check_growth, AddCheckpoint(10, (), b""), TREES[8], TREES[9]) == Status.UNREADABLE
    assert answer_to(check_growth, AddCheckpoint(9, (), b""), TREES[8], TREES[9]) == Status.STALE
    assert contradicts(TREES[8], Checkpoint(ORIGIN, 9, bytes(32)))
    assert not contradicts(TREES[8], TREES[8])
    assert not contradicts(TREES[8], TREES[9])
    assert not contradicts(TREES[8], Checkpoint("elsewhere", 9, bytes(32)))


def test_the_size_in_a_refusal_is_read_in_one_spelling() -> None:
    assert [parse_stale(b"0\n"), parse_stale(f"{SIZE_MAX}\n".encode())] == [0, SIZE_MAX]
    for answer in (b"", b"1", b"01\n", b"-1\n", b"1\n\n", b" 1\n", b"1\r\n", f"{SIZE_MAX + 1}\n".encode(), b"\xff\n"):
        assert refusal_of(parse_stale, answer).code == "audit.stale_size"


def given_as(answer: str) -> str:
    """The code of the refusal of a witness's answer under the checkpoint."""
    return refusal_of(cosignature_in, answer.encode(), SIGNED, WITNESS.verifier, NOW).code


def test_the_witness_s_own_signature_is_found_among_others() -> None:
    other = str(cosign(TREES[41], OTHER_WITNESS, NOW))
    unknown = f"\u2014 {WITNESS.name} {encode(b'none' + bytes(72))}\n"  # of this name, by another key
    for answer in (COSIGNATURE_LINE, other + COSIGNATURE_LINE, unknown + COSIGNATURE_LINE + other):
        assert str(cosignature_in(answer.encode(), SIGNED, WITNESS.verifier, NOW)) == COSIGNATURE_LINE
    assert given_as(other) == "audit.cosignature"
    assert given_as(unknown) == "audit.cosignature"


def test_a_signature_that_is_wrong_or_of_something_else_is_refused() -> None:
    assert given_as(str(cosign(TREES[42], WITNESS, NOW))) == "audit.signature"
    assert given_as(COSIGNATURE_LINE + str(cosign(TREES[42], WITNESS, NOW))) == "audit.signature"
    for answer in ("", "\n", "cosigned", COSIGNATURE_LINE[:-1], COSIGNATURE_LINE + "\n", "<html>\n"):
        assert given_as(answer) == "audit.note"
    # Signed together with the checkpoint as one text, by an answer that brings an empty line of its own.
    longer = f"{TREES[41].text}\nand more\n"
    assert given_as(f"and more\n\n{WITNESS.cosign(longer, NOW)}") == "audit.cosignature"


def test_a_signature_at_an_impossible_time_is_refused() -> None:
    ahead = NOW + AHEAD_SECONDS_MAX
    cosignature_in(str(cosign(TREES[41], WITNESS, ahead)).encode(), SIGNED, WITNESS.verifier, NOW)
    assert given_as(str(cosign(TREES[41], WITNESS, ahead + 1))) == "audit.cosignature"
    assert given_as(str(cosign(TREES[41], WITNESS, 0))) == "audit.cosignature"


def test_witnesses_stand_under_the_checkpoint_once_each() -> None:
    other = str(cosign(TREES[41], OTHER_WITNESS, NOW + 1))
    witnesses = [WITNESS.verifier, OTHER_WITNESS.verifier]
    assert with_cosignatures(SIGNED, []) == SIGNED
    whole = with_cosignatures(SIGNED, [COSIGNATURE_LINE, other])
    assert whole == SIGNED + (COSIGNATURE_LINE + other).encode()
    assert with_cosignatures(whole, [other, COSIGNATURE_LINE]) == whole
    opened = open_checkpoint(whole, [KEY.verifier], witnesses, 2)
    assert [each.timestamp for each in opened.witnessed_by.values()] == [NOW, NOW + 1]
    assert refusal_of(with_cosignatures, SIGNED, ["no line"]).code == "audit.note"
