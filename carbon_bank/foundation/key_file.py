"""Keys in files: made once where that is allowed, readable by the bank's own user alone."""

from __future__ import annotations

import secrets
from pathlib import Path


def make_once(file: Path, content: bytes) -> None:
    """Write a key file, unless there is one. Of two processes that start at once, the first one's key stands."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{secrets.token_hex(4)}")
    partial.touch(mode=0o600)
    partial.write_bytes(content)
    try:
        file.hardlink_to(partial)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
