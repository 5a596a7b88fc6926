"""What a witness remembers belongs to one key, and never steps back."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from carbon_bank.foundation.errors import Refusal
from carbon_bank.witness.state import State, make_state
from tests.audit.made_up import ORIGIN, OTHER_WITNESS, WITNESS
from tests.witness.places import grown_log, growth, made_witness


def code_of(file: Path, key: object = WITNESS) -> str:
    with pytest.raises(Refusal) as refused:
        State(file, key)  # type: ignore[arg-type]
    return refused.value.code


def test_a_state_is_made_once_with_its_key_and_opens_for_no_other(tmp_path: Path) -> None:
    file = tmp_path / "new" / "witness.state"
    make_state(file, WITNESS.verifier)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refusal, match="is there already"):
        make_state(file, WITNESS.verifier)
    assert State(file, WITNESS).latest(ORIGIN) is None
    assert code_of(file, OTHER_WITNESS) == "witness.state_key"


def test_a_state_that_is_lost_or_broken_is_not_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "witness.state"
    assert code_of(file) == "witness.state"
    assert not file.exists()
    file.write_bytes(b"no database, and long enough to be looked at as one" * 100)
    assert code_of(file) == "witness.state"
    file.write_bytes(b"")  # as a machine that stopped while it was made would leave it
    assert code_of(file) == "witness.state_key"


def test_the_file_itself_refuses_to_step_back(tmp_path: Path) -> None:
    witness = made_witness(tmp_path)
    witness.add_checkpoint(bytes(growth(grown_log(5), 0)), 1)
    with closing(sqlite3.connect(witness.state.file)) as connection:
        for change in ("size = 4", "root = zeroblob(32)", "origin = 'x'", "size = 6, root = x'00'"):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(f"UPDATE cosigned SET {change}")
            connection.rollback()
        with pytest.raises(sqlite3.IntegrityError, match="never forgets"):
            connection.execute("DELETE FROM cosigned")
    assert [file.name for file in tmp_path.iterdir()] == [witness.state.file.name], "all of it is in the one file"


def test_two_processes_with_one_state_sign_one_after_the_other(tmp_path: Path) -> None:
    made_witness(tmp_path).add_checkpoint(bytes(growth(grown_log(5), 0)), 1)
    witnesses = [made_witness(tmp_path) for _ in range(4)]
    log = grown_log(9)

    def sign(number: int) -> bool:
        try:
            witnesses[number].add_checkpoint(bytes(growth(log, 5)), 1)
        except Refusal as refusal:
            assert refusal.code == "audit.stale"
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(sign, range(4))) == [False, False, False, True]
