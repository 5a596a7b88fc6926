"""The tree of the log: the published vectors, a naive tree beside it, and sizes where tiles begin and end."""

from __future__ import annotations

import base64
import json
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_bank.audit.formats.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    consistency_proof,
    fold,
    inclusion_proof,
    leaf_hash,
    node_hash,
    range_root,
    root_of,
    subtrees,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from carbon_bank.foundation.errors import InvalidInput
from tests.audit.made_up import MadeUpLog, entry

VECTORS = 196


def bytes_of(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def holds(verify: Any, *arguments: Any) -> bool:
    try:
        verify(*arguments)
    except InvalidInput as refusal:
        assert refusal.code in {"audit.index", "audit.size", "audit.inclusion", "audit.consistency"}
        return False
    return True


def test_every_published_vector_is_judged_as_its_authors_do(shared_data: Path) -> None:
    folder = shared_data / "merkle"
    if not folder.exists():
        pytest.skip(f"the vectors of transparency-dev/merkle are not at {folder}")
    judged = []
    for path in sorted(folder.rglob("*.json")):
        vector = json.loads(path.read_text("utf-8"))
        proof = [bytes_of(each) for each in vector["proof"] or []]
        if "leafIdx" in vector:
            leaf, root = bytes_of(vector["leafHash"]), bytes_of(vector["root"])
            accepted = holds(verify_inclusion, vector["leafIdx"], vector["treeSize"], leaf, proof, root)
        else:
            roots = bytes_of(vector["root1"]), bytes_of(vector["root2"])
            accepted = holds(verify_consistency, vector["size1"], vector["size2"], *roots, proof)
        assert accepted != vector["wantErr"], path
        judged.append(accepted)
    assert (len(judged), sum(judged)) == (VECTORS, 12)


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if len(leaves) <= 1:
        return sha256(b"\x00" + leaves[0]).digest() if leaves else sha256(b"").digest()
    k = max(2**power for power in range(64) if 2**power < len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = max(2**power for power in range(64) if 2**power < len(leaves))
    if index < k:
        return [*naive_path(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(before: int, leaves: list[bytes], known: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of section 2.1.2."""
    if before == len(leaves):
        return [] if known else [naive_root(leaves)]
    k = max(2**power for power in range(64) if 2**power < len(leaves))
    if before <= k:
        return [*naive_subproof(before, leaves[:k], known), naive_root(leaves[k:])]
    return [*naive_subproof(before - k, leaves[k:], False), naive_root(leaves[:k])]


def hash_at_of(leaves: list[bytes]) -> Any:
    return cache(lambda level, index: naive_root(leaves[index << level : (index + 1) << level]))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.data())
def test_roots_and_proofs_are_those_of_the_naive_tree(size: int, data: st.DataObject) -> None:
    leaves = [bytes([each % 251, each // 251]) for each in range(size)]
    hash_at, root = hash_at_of(leaves), naive_root(leaves)
    assert tree_root(size, hash_at) == root == root_of(map(leaf_hash, leaves))
    assert fold([hash_at(*each) for each in subtrees(0, size)]) == root
    index, before = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    proof = inclusion_proof(index, size, hash_at)
    assert proof == naive_path(index, leaves)
    verify_inclusion(index, size, leaf_hash(leaves[index]), proof, root)
    shown = consistency_proof(before, size, hash_at)
    assert shown == naive_subproof(before, leaves, True)
    verify_consistency(before, size, naive_root(leaves[:before]), root, shown)


@pytest.fixture(scope="module")
def log() -> MadeUpLog:
    """70,000 leaves, grown in steps of any size; the sizes at which it stopped are in `sizes`."""
    log, random = MadeUpLog(), Random(17)
    stops = {1, 2, 255, 256, 257, 65_535, 65_536, 65_537, 70_000, *random.sample(range(3, 70_000), 40)}
    for before, after in pairwise([0, *sorted(stops)]):
        log.add([entry(index) for index in range(before, after)])
    log.sizes = sorted(stops)  # type: ignore[attr-defined]
    return log


def test_each_leaf_is_proved_at_sizes_where_tiles_begin_and_end(log: MadeUpLog) -> None:
    for size in (1, 2, 255, 256, 257, 65_536, 70_000):
        hash_at = log.hash_at(size)
        root = tree_root(size, hash_at)
        assert size > 300 or root == root_of(leaf_hash(entry(index)) for index in range(size))
        indexes = range(size) if size < 300 else {0, 255, 256, size - 1, *Random(size).sample(range(size), 150)}
        for index in indexes:
            verify_inclusion(index, size, leaf_hash(entry(index)), inclusion_proof(index, size, hash_at), root)
    assert root == root_of(leaf_hash(entry(index)) for index in range(70_000))


def test_each_earlier_root_is_consistent_with_each_later_one(log: MadeUpLog) -> None:
    sizes: list[int] = log.sizes  # type: ignore[attr-defined]
    roots = {size: tree_root(size, log.hash_at(size)) for size in sizes}
    for place, before in enumerate(sizes):
        for after in sizes[place:]:
            proof = consistency_proof(before, after, log.hash_at(after))
            verify_consistency(before, after, roots[before], roots[after], proof)


def test_a_changed_bit_anywhere_in_a_proof_is_found(log: MadeUpLog) -> None:
    size, index, before = 70_000, 66_000, 65_537
    hash_at = log.hash_at(size)
    root, earlier, leaf = tree_root(size, hash_at), tree_root(before, log.hash_at(before)), leaf_hash(entry(index))
    included, consistent = inclusion_proof(index, size, hash_at), consistency_proof(before, size, hash_at)

    def bent(hashes: list[bytes]) -> Any:
        for place, each in enumerate(hashes):
            for byte in range(len(each)):
                wrong = bytearray(each)
                wrong[byte] ^= 1 << byte % 8
                yield [*hashes[:place], bytes(wrong), *hashes[place + 1 :]]

    for wrong_leaf, wrong_root, *proof in bent([leaf, root, *included]):
        assert not holds(verify_inclusion, index, size, wrong_leaf, proof, wrong_root)
    for wrong_earlier, wrong_root, *proof in bent([earlier, root, *consistent]):
        assert not holds(verify_consistency, before, size, wrong_earlier, wrong_root, proof)
    for proof in (included[:-1], included[1:], [*included, root], included[::-1], []):
        assert not holds(verify_inclusion, index, size, leaf, proof, root)
    for proof in (consistent[:-1], consistent[1:], [*consistent, root], consistent[::-1], []):
        assert not holds(verify_consistency, before, size, earlier, root, proof)
    for other in (index - 1, index + 1, -1, size):
        assert not holds(verify_inclusion, other, size, leaf, included, root)


def test_the_largest_tree_is_proved_from_its_complete_subtrees() -> None:
    levels = [leaf_hash(b"")]
    for _ in range(63):
        levels.append(node_hash(levels[-1], levels[-1]))
    root = tree_root(SIZE_MAX, lambda level, _: levels[level])
    for index in (0, 2**62 - 1, 2**62, SIZE_MAX - 1):
        proof = inclusion_proof(index, SIZE_MAX, lambda level, _: levels[level])
        verify_inclusion(index, SIZE_MAX, levels[0], proof, root)
    for before in (1, 2**62, 2**62 + 1, SIZE_MAX - 1, SIZE_MAX):
        proof = consistency_proof(before, SIZE_MAX, lambda level, _: levels[level])
        verify_consistency(before, SIZE_MAX, tree_root(before, lambda level, _: levels[level]), root, proof)


def test_the_empty_tree_has_a_root_and_proves_nothing() -> None:
    assert tree_root(0, hash_at_of([])) == EMPTY_ROOT == root_of([]) == range_root(5, 5, hash_at_of([]))
    assert consistency_proof(0, 5, hash_at_of([])) == []
    assert not holds(verify_consistency, 0, 0, EMPTY_ROOT, EMPTY_ROOT, [])


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda: tree_root(SIZE_MAX + 1, hash_at_of([])), "audit.size"),
        (lambda: tree_root(-1, hash_at_of([])), "audit.size"),
        (lambda: inclusion_proof(3, 3, hash_at_of([])), "audit.index"),
        (lambda: consistency_proof(4, 3, hash_at_of([])), "audit.size"),
    ],
)
def test_what_no_tree_can_answer_is_refused(ask: Any, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ask()
    assert refused.value.code == code
