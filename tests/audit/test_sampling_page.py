"""docs/sampling.md: its program, which shares nothing with the bank, draws what the bank draws, and prints what stands there."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import polars as pl

from carbon_bank.audit.samples.result import FACTORS_95
from carbon_bank.audit.samples.sampling import Asked, Method, draw_sample

PAGE = (Path(__file__).parent.parent.parent / "docs" / "sampling.md").read_text("utf-8")


def block(language: str) -> str:
    """The last block of a language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return found[-1]


def test_the_program_draws_what_the_bank_draws(tmp_path: Path) -> None:
    awards, program, output = block("csv"), block("python"), block("text")
    (tmp_path / "awards.csv").write_text(awards, "utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == output
    frame = pl.read_csv(awards.encode()).with_columns(
        outcome=pl.lit("reduction"), review=pl.lit("clear"), stratum=pl.lit("")
    )
    told = {}
    for method, size in ((Method.RANDOM, 3), (Method.POINTS, 4)):
        sample = draw_sample(Asked(7, method, size, "4 2 6 1 5", bytes(range(32))), frame)
        told[method.value] = [row.place for row in sample.rows for _ in range(row.hits)]
    assert "".join(f"{name} {rows}\n" for name, rows in told.items()) == output


def test_the_seed_of_the_shell_is_that_of_the_law() -> None:
    [(typed, answer)] = re.findall(r"^\$ printf '(.*)' \| sha256sum\n([0-9a-f]{64})", PAGE, re.MULTILINE)
    text = typed.replace("\\n", "\n")
    assert hashlib.sha256(text.encode()).hexdigest() == answer
    assert Asked(7, Method.POINTS, 4, "4 2 6 1 5", bytes(range(32))).seed_text() == text


def test_the_steps_of_the_factors_are_those_of_the_law() -> None:
    steps = [f"{float(FACTORS_95[at] - FACTORS_95[at - 1] - 1):.2f}" for at in (1, 2, 3)]
    assert f"({'*incremental allowance*'}: {', '.join(steps)}, ...)" in re.sub(r"\s+", " ", PAGE)
