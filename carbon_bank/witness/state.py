"""What a witness remembers: for each log the largest tree that it signed.

One SQLite file with a rollback journal and `synchronous = EXTRA`: as soon as a transaction has ended, all of it is on the disk
and in this one file. (With a write-ahead log the last signatures would stand in a second file, and a copy of the first
one would be a step back.) Whoever signs holds the file's write lock from before it looks until it has stored.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from carbon_bank.audit.formats.checkpoint import Checkpoint, Opened, cosign, parse_checkpoint
from carbon_bank.audit.formats.note import Note, Signature, SigningKey, VerifierKey, parse_note
from carbon_bank.foundation.errors import Conflict, Unavailable

FORMAT = 1
WAIT_SECONDS = 30
"""For another signature of this witness, in this process or in another one."""

LAW = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE witness (one INTEGER PRIMARY KEY CHECK (one = 1), vkey TEXT NOT NULL, signed_at INTEGER NOT NULL);
CREATE TABLE cosigned (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL CHECK (size >= 0),
    root BLOB NOT NULL CHECK (length(root) = 32),
    note BLOB NOT NULL
);
CREATE TRIGGER only_growing BEFORE UPDATE ON cosigned
WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
BEGIN SELECT RAISE(ABORT, 'a witness never steps back'); END;
CREATE TRIGGER only_kept BEFORE DELETE ON cosigned
BEGIN SELECT RAISE(ABORT, 'a witness never forgets'); END;
"""

Check = Callable[[Checkpoint | None], None]


@dataclass(frozen=True)
class Cosigned:
    """A checkpoint with the log's signatures that were verified, and the witness's own."""

    checkpoint: Checkpoint
    note: Note
    signature: Signature


def make_state(file: Path, witness: VerifierKey) -> None:
    """A state that has signed nothing, for a key that has signed nothing.

    Raises: Conflict witness.state_exists; Unavailable witness.state.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with _connected(file) as connection:
            connection.executescript(f"BEGIN IMMEDIATE;{LAW}")
            connection.execute("INSERT INTO witness VALUES (1, ?, 0)", [str(witness)])
            connection.execute("COMMIT")
        folder = os.open(file.parent, os.O_RDONLY)
        with suppress(OSError):  # not every file system syncs a folder
            os.fsync(folder)
        os.close(folder)
    except FileExistsError:
        message = f"{file} is there already. A state belongs to one key for good: name another file for another key."
        raise Conflict("witness.state_exists", message) from None
    except (OSError, sqlite3.Error) as error:
        raise _unusable(file, error) from None


class State:
    """The state of one witness. Safe for several threads and processes at once.

    Raises: Unavailable witness.state; Conflict witness.state_key.
    """

    def __init__(self, file: Path, key: SigningKey) -> None:
        self.file, self.key = file, key
        if not file.is_file():
            raise Unavailable(
                "witness.state",
                f"There is no state at {file}. It is made together with the key (`carbon-bank audit witness key`). If it is lost, "
                "so is what this key has signed: make another key, and tell the cities its verifier key in place of this one.",
            )
        with self._transaction("BEGIN") as connection:
            [(version,)] = connection.execute("PRAGMA user_version").fetchall()
            vkey = connection.execute("SELECT vkey FROM witness").fetchone()[0] if version == FORMAT else None
        if vkey != str(key.verifier):
            message = f"{file} is not the state of the key {key.verifier}; name the file that was made with this key"
            raise Conflict("witness.state_key", message)

    def latest(self, origin: str) -> Cosigned | None:
        """The largest tree of a log that this witness has signed."""
        with self._transaction("BEGIN") as connection:
            return self._latest(connection, origin)

    def all(self) -> list[Cosigned]:
        """Of every log that it has ever signed a tree of."""
        with self._transaction("BEGIN") as connection:
            rows = connection.execute("SELECT note FROM cosigned ORDER BY origin").fetchall()
        return [self._read(bytes(note)) for (note,) in rows]

    def cosign(self, opened: Opened, now: int, check: Check) -> Cosigned:
        """Sign a checkpoint, if nothing speaks against it, and have it stored before anyone gets to see the signature.

        Args:   now: POSIX seconds; a clock that went back does not, since a later signature would tell of an earlier time.
                check: refuses by raising, given the latest tree; nothing can come between it and the signature.
        Raises: Unavailable witness.state, when it could not be stored: then nothing was signed.
        Source: tlog-witness, add-checkpoint (checked and persisted atomically); tlog-cosignature, Ed25519 signed message.
        """
        tree = opened.checkpoint
        with self._transaction("BEGIN IMMEDIATE") as connection:
            latest = self._latest(connection, tree.origin)
            check(None if latest is None else latest.checkpoint)
            [(last,)] = connection.execute("SELECT signed_at FROM witness").fetchall()
            timestamp = max(now, last, 1)
            signature = cosign(tree, self.key, timestamp)
            note = Note(opened.note.text, (*opened.signed_by.values(), signature))
            connection.execute("UPDATE witness SET signed_at = ?", [timestamp])
            connection.execute(
                "INSERT INTO cosigned VALUES (?, ?, ?, ?) "
                "ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note",
                [tree.origin, tree.size, tree.root, bytes(note)],
            )
        return Cosigned(tree, note, signature)

    def _latest(self, connection: sqlite3.Connection, origin: str) -> Cosigned | None:
        row = connection.execute("SELECT note FROM cosigned WHERE origin = ?", [origin]).fetchone()
        return None if row is None else self._read(bytes(row[0]))

    def _read(self, data: bytes) -> Cosigned:
        note = parse_note(data)
        return Cosigned(parse_checkpoint(note.text), note, note.signatures[-1])

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """Up to a commit that is on the disk; rolled back where the block raises."""
        try:
            with _connected(self.file) as connection:
                connection.execute(begin)
                yield connection
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _unusable(self.file, error) from error


@contextmanager
def _connected(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that never makes a file. Closing it rolls back what was not committed."""
    address = f"file:{quote(str(file.absolute()))}?mode=rw"
    with closing(sqlite3.connect(address, WAIT_SECONDS, isolation_level=None, uri=True)) as connection:
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA fullfsync = ON")  # where the system's own sync does not reach the disk: macOS
        yield connection


def _unusable(file: Path, error: Exception) -> Unavailable:
    message = (
        f"{file} cannot be read or written ({error}), and nothing was signed. See that the disk has room and is sound."
    )
    return Unavailable("witness.state", message)
