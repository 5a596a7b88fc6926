"""Audit: every point can be followed and proved, by programs that are not the bank's.

An *entry* is a few bytes that tell of one act; its *leaf* is their hash; the *log* is a tree over all leaves in order, which
only grows. A *checkpoint* is the tree's size and root, signed. *Tiles* are the tree's hashes as files, *bundles* the
entries. A *receipt* proves that an entry is in the log; a *witness* is another party that signs what it has seen. A
*commitment* stands in an entry for a record with personal data; its key opens it, and without the key it says nothing.

A *replay* computes a settlement once more from what it read, and compares everything that stands of it: each *difference* is a
column of a row, with what stands and what was recomputed (docs/replay.md).
A *finding* is a place to look at, of one of a few *kinds*. A *sample* is some awards of a settlement that follow from the log's
root and the auditor's *nonce*; its *working papers* are filled in and evaluated.

What always holds:
- nothing here changes what it looks at;
- what decides a finding or a sample is whole numbers and fractions, and the same inputs give the same outcome anywhere;
- an entry has no personal data outside a commitment;
- whoever has two checkpoints can be shown that the later tree begins with the earlier one;
- what is malformed is refused, never mended;
- a replay writes nothing, and trusts no sum that it can add up itself.

The room has a folder for each of its parts, from the bottom to the top: `formats` and `log` (docs/transparency-log.md), between
them the `witnesses` that a city asks (docs/witness.md), `verify` (docs/verify.md), `export`, `findings`, `samples`; replay and
the trail's listing stand beside them. docs/audit.md leads an auditor through all. The witness itself, a program for others, is
`carbon_bank.witness`.
"""
