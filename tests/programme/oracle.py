"""The rules once more, as an auditor computes them: `scripts/recompute.py`, loaded as a module.

It imports nothing of the bank and was written from rules.md and decision records 0002 and 0003 alone, so a misreading in
the programme or the readings room cannot hide in it.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "recompute.py"
_spec = spec_from_file_location("recompute", SCRIPT)
assert _spec is not None and _spec.loader is not None
recompute = module_from_spec(_spec)
sys.modules["recompute"] = recompute  # dataclasses look their module up there
_spec.loader.exec_module(recompute)

Award = recompute.Award
Holding = recompute.Holding
Reading = recompute.Reading
Recomputation = recompute.Recomputation
Tenure = recompute.Tenure
half_up = recompute.half_up
month = recompute.month
month_start = recompute.month_start
parts = recompute.parts
read_policy = recompute.read_policy
usage_of_month = recompute.usage_of_month
