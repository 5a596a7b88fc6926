"""The auditor's own programs, as they go into a package: from a wheel, or from the checkout beside it."""

from __future__ import annotations

from pathlib import Path

import carbon_bank

NAMES = ("recompute.py", "verify_package.py", "verify_receipt.py")


def auditors_scripts() -> dict[str, bytes]:
    """Name and content of each."""
    package = Path(carbon_bank.__file__).parent
    inside = package / "scripts"  # in a wheel; in a checkout they stand beside the package
    folder = inside if inside.exists() else package.parent / "scripts"
    return {name: (folder / name).read_bytes() for name in NAMES}
