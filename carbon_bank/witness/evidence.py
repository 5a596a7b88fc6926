"""Checkpoints of a log that contradict each other, kept as files: each is signed by the log, and neither can be denied."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from carbon_bank.audit.formats.checkpoint import parse_checkpoint
from carbon_bank.audit.formats.note import Note

KEPT_UNPROVED_MAX = 200
"""Anyone can send a sound checkpoint with a wrong proof: those are no evidence yet, and must not fill a disk."""


def folder_of(state: Path) -> Path:
    return state.with_name(f"{state.name}-evidence")


def name_of(note: Note) -> str:
    """Each tree of each log has its own file, however often it is kept."""
    tree = parse_checkpoint(note.text)
    return f"{sha256(tree.origin.encode()).hexdigest()[:8]}-{tree.size}-{tree.root.hex()[:16]}.checkpoint"


def keep_evidence(state: Path, *notes: Note, proved: bool = True) -> list[Path]:
    """Write the checkpoints beside the state. Args: proved: they contradict each other; else they may do so."""
    folder = folder_of(state)
    folder.mkdir(parents=True, exist_ok=True)
    if not proved and sum(1 for _ in folder.iterdir()) >= KEPT_UNPROVED_MAX:
        return []
    files = [folder / name_of(note) for note in notes]
    for file, note in zip(files, notes, strict=True):
        replace_file(file, bytes(note))
    return files


def replace_file(file: Path, data: bytes) -> None:
    """Write a file so that a reader finds the old one or the new one, whole and on the disk."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
