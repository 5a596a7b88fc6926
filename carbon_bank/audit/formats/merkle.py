"""The tree of the log: hashes, roots, proofs, and what a proof has to satisfy.

A tree is known by its complete subtrees: `hash_at(level, index)` is the hash over the leaves from `index * 2**level` up to
`(index + 1) * 2**level`. Tiles answer it (tiles.py), and so does anything else that keeps hashes.
Source: RFC 6962 section 2.1 (hashes, proofs); RFC 9162 sections 2.1.3.2 and 2.1.4.2 (verification).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from carbon_bank.foundation.errors import InvalidInput

HashAt = Callable[[int, int], bytes]

HASH_BYTES = 32
SIZE_MAX = 2**63 - 1
"""What a bigint of PostgreSQL and an int64 of other verifiers hold."""
EMPTY_ROOT = sha256(b"").digest()
LEAF, NODE = b"\x00", b"\x01"
"""A leaf can never be taken for a node: RFC 6962 section 2.1 on domain separation."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry's leaf. Source: RFC 6962 section 2.1, MTH({d(0)})."""
    return sha256(LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees. Source: RFC 6962 section 2.1, MTH(D[n])."""
    return sha256(NODE + left + right).digest()


def root_of(hashes: Iterable[bytes]) -> bytes:
    """The root over hashes of one level, from left to right; any number of them.

    Source: RFC 6962 section 2.1. Pairing level by level, the odd one going up as it is, splits where the RFC does.
    """
    row = list(hashes)
    if not row:
        return EMPTY_ROOT
    while len(row) > 1:
        odd = row[len(row) & ~1 :]
        row = [sha256(NODE + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)] + odd
    return row[0]


def subtrees(start: int, end: int) -> list[tuple[int, int]]:
    """The complete subtrees that make up the leaves from `start` to `end`, as (level, index), the largest first.

    Of `0, size` they are the frontier of a tree. Args: a range as the RFC splits trees: `start` is a multiple of the largest power
    of two in the range.
    """
    found = []
    for level in range((end - start).bit_length() - 1, -1, -1):
        if (end - start) >> level & 1:
            assert start % (1 << level) == 0, "no range of this tree"
            found.append((level, start >> level))
            start += 1 << level
    return found


def fold(frontier: Sequence[bytes]) -> bytes:
    """The root over subtrees, the largest first. Source: RFC 6962 section 2.1 (the left one is the largest power of two)."""
    if not frontier:
        return EMPTY_ROOT
    root = frontier[-1]
    for left in reversed(frontier[:-1]):
        root = node_hash(left, root)
    return root


def range_root(start: int, end: int, hash_at: HashAt) -> bytes:
    """MTH(D[start:end]) of RFC 6962 section 2.1, for a range as the RFC splits trees."""
    return fold([hash_at(level, index) for level, index in subtrees(start, end)])


def tree_root(size: int, hash_at: HashAt) -> bytes:
    """The root of the tree of the first `size` leaves."""
    _refuse_size(size)
    return range_root(0, size, hash_at)


def inclusion_proof(index: int, size: int, hash_at: HashAt) -> list[bytes]:
    """What shows that leaf `index` is in the tree of `size` leaves: the leaf's neighbour first, the root's child last.

    Raises:  InvalidInput audit.index.
    Source:  RFC 6962 section 2.1.1, PATH(m, D[n]), from the root down.
    """
    _refuse_size(size)
    if not 0 <= index < size:
        raise _no_such_leaf(index, size)
    proof, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(range_root(middle, end, hash_at))
            end = middle
        else:
            proof.append(range_root(start, middle, hash_at))
            start = middle
    return proof[::-1]


def consistency_proof(before: int, after: int, hash_at: HashAt) -> list[bytes]:
    """What shows that the tree of `after` leaves begins with the one of `before`.

    Empty where both are one tree, and where `before` is 0: of no leaves there is nothing to show.
    Raises:  InvalidInput audit.size.
    Source:  RFC 6962 section 2.1.2, PROOF(m, D[n]) and SUBPROOF(m, D[n], b), from the root down.
    """
    _refuse_size(before)
    _refuse_size(after)
    if before > after:
        raise _shrunk(before, after)
    if before == 0:
        return []
    proof, start, end = [], 0, after
    while end != before:
        middle = start + _split(end - start)
        if before <= middle:
            proof.append(range_root(middle, end, hash_at))
            end = middle
        else:
            proof.append(range_root(start, middle, hash_at))
            start = middle
    if start > 0:  # b is false: the verifier does not know this subtree
        proof.append(range_root(start, end, hash_at))
    return proof[::-1]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Refuse unless the proof leads from the leaf's hash to the root.

    Raises:  InvalidInput audit.index, audit.inclusion.
    Source:  RFC 9162 section 2.1.3.2.
    """
    _refuse_size(size)
    if not 0 <= index < size:
        raise _no_such_leaf(index, size)
    place, last, found = index, size - 1, leaf
    sound = _are_hashes(leaf, root, *proof)
    for each in proof if sound else ():
        if last == 0:
            sound = False
            break
        if place & 1 or place == last:
            found = node_hash(each, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, each)
        place, last = place >> 1, last >> 1
    if not (sound and last == 0 and found == root):
        raise InvalidInput(
            "audit.inclusion",
            f"the proof does not lead from leaf {index} to the root of the tree of {size} leaves; ask for another one",
            {"index": index, "size": size},
        )


def verify_consistency(before: int, after: int, root_before: bytes, root_after: bytes, proof: Sequence[bytes]) -> None:
    """Refuse unless the proof leads from the earlier tree's root to the later one's.

    Size 0 is refused: every tree begins with the empty one, and a proof of that would prove nothing.
    Raises:  InvalidInput audit.size, audit.consistency.
    Source:  RFC 9162 section 2.1.4.2.
    """
    _refuse_size(before)
    _refuse_size(after)
    if before > after:
        raise _shrunk(before, after)
    if before == after:
        sound = before > 0 and not proof and root_before == root_after
    else:
        sound = before > 0 and _leads(before, after, root_before, root_after, proof)
    if not sound:
        raise InvalidInput(
            "audit.consistency",
            f"the proof does not show that the tree of {after} leaves begins with the one of {before}; keep both checkpoints",
            {"before": before, "after": after},
        )


def _leads(before: int, after: int, root_before: bytes, root_after: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2, steps 1 to 7, for two sizes that differ."""
    path = [root_before, *proof] if before & (before - 1) == 0 else list(proof)
    if not proof or not _are_hashes(root_before, root_after, *proof):
        return False
    place, last = before - 1, after - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    earlier = later = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            earlier, later = node_hash(each, earlier), node_hash(each, later)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            later = node_hash(later, each)
        place, last = place >> 1, last >> 1
    return last == 0 and earlier == root_before and later == root_after


def _split(leaves: int) -> int:
    """The largest power of two smaller than the number of leaves: k of RFC 6962 section 2.1."""
    return 1 << (leaves - 1).bit_length() - 1


def _are_hashes(*hashes: bytes) -> bool:
    return all(len(each) == HASH_BYTES for each in hashes)


def _refuse_size(size: int) -> None:
    if not 0 <= size <= SIZE_MAX:
        raise InvalidInput("audit.size", f"a tree has from 0 to {SIZE_MAX} leaves, not {size}", {"size": size})


def _no_such_leaf(index: int, size: int) -> InvalidInput:
    message = f"a tree of {size} leaves has none with index {index}; the first is 0, and a newer checkpoint may have it"
    return InvalidInput("audit.index", message, {"index": index, "size": size})


def _shrunk(before: int, after: int) -> InvalidInput:
    message = f"a log only grows: {before} leaves cannot become {after}; name the smaller tree first"
    return InvalidInput("audit.size", message, {"before": before, "after": after})
