"""The formats of a transparency log, as C2SP and RFC 6962 have them: tree, tiles, signed notes, checkpoints, receipts. Pure.

Source: docs/transparency-log.md names each; programs that are not the bank's read them all.
"""
