"""`carbon-bank audit log ...`: sealing, keys, the checkpoint, the log as files, and forgetting."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from carbon_bank.audit.formats.checkpoint import open_checkpoint
from carbon_bank.audit.formats.merkle import leaf_hash, tree_root
from carbon_bank.audit.formats.note import VerifierKey
from carbon_bank.audit.formats.tiles import grow, grow_bundles, hashes_from, split_bundle
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.ledger import service as ledger
from carbon_bank.trail.service import Act, record
from tests.cli.test_settlement import refusal, told
from tests.cli.typed import Run, typed
from tests.ledger.books import grant
from tests.small_city import NOW, SmallCity

HERE = ("--city", "here")
FORGET = ("forget", *HERE, "--household", "alder", "--reason", "moved away and asked for it", "--as")
OFFICER = "privacy_officer@here.test"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    return lambda *arguments: carbon_bank("audit", "log", *map(str, arguments))


@pytest.fixture
async def acts(database: Database, small_city: SmallCity) -> None:
    """So many acts that their bundle is full, and a household with points."""
    async with database.write() as session:
        await grant(session, [(small_city.alder, "gas", 10)])
        for number in range(300):
            record(session, Act.CITY_ADDED, by="test", at=NOW, subject=f"city:{number}", city_id=small_city.city_id)


@pytest.fixture
async def closed(database: Database, small_city: SmallCity, acts: None) -> None:
    """The household's account is closed."""
    now = clock.now()
    async with database.write() as session:
        await ledger.close_account(session, small_city.actors["operator"], now, now.date(), small_city.alder, "moved")


def keys_of(run: Run, *options: str) -> list[VerifierKey]:
    return [VerifierKey.parse(line) for line in told(run("key", *HERE, *options)).splitlines()]


def check_mirror(folder: Path, keys: list[VerifierKey]) -> int:
    """The files of a log make its checkpoint, and no file of it is missing or wrong. Returns the size."""
    tree = open_checkpoint((folder / "checkpoint").read_bytes(), keys).checkpoint
    widths = [256] * (tree.size // 256) + [tree.size % 256] * bool(tree.size % 256)
    entries: list[bytes] = []
    for place, width in enumerate(widths):
        name = f"{place:03d}" + ("" if width == 256 else f".p/{width}")
        entries += split_bundle((folder / "tile" / "entries" / name).read_bytes(), width)
    tiles = grow(0, {}, map(leaf_hash, entries))
    assert tree.root == tree_root(tree.size, hashes_from(tree.size, tiles.__getitem__))
    for tile, data in (tiles | grow_bundles(0, {}, entries)).items():
        assert (folder / tile.path).read_bytes() == data, tile.path
    return tree.size


@pytest.mark.usefixtures("acts")
def test_the_log_is_sealed_shown_and_mirrored(run: Run, owner: psycopg.Connection, tmp_path: Path) -> None:
    assert refusal(run("checkpoint", *HERE)) == "audit.no_log"
    assert refusal(run("files", *HERE, "--out", "mirror")) == "audit.no_log"
    assert refusal(run("seal", "--city", "nowhere")) == "registry.unknown_city"
    sealed = told(run("seal", *HERE))
    assert told(run("seal", *HERE)).startswith("0 leaves were added; ")
    keys = keys_of(run)
    shown = told(run("checkpoint", *HERE)).encode()
    size = open_checkpoint(shown, keys).checkpoint.size
    assert sealed == f"{size} leaves were added; the log of here has {size}.\n"
    assert size > 300

    written = told(run("files", *HERE, "--out", "mirror"))
    assert written == f"6 files were written below mirror; the log has {size} leaves.\n"
    assert (check_mirror(tmp_path / "mirror", keys), (tmp_path / "mirror" / "checkpoint").read_bytes()) == (size, shown)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "mirror").rglob("*") if file.is_file()}
    assert told(run("files", *HERE, "--out", "mirror")).startswith("0 files were written")
    owner.execute(
        "INSERT INTO trail (at, city_id, by, act, subject, facts) SELECT now(), id, 'test', 'city.added', 'city:1', '{}' "
        "FROM city WHERE code = 'here'"
    )
    assert told(run("seal", *HERE)).startswith("1 leaves were added")
    assert told(run("files", *HERE, "--out", "mirror")).startswith("3 files were written"), "bundle, tile, checkpoint"
    assert check_mirror(tmp_path / "mirror", keys) == size + 1
    kept = {file: file.stat().st_mtime_ns for file in before if file.name != "checkpoint"}
    assert kept == {file: moment for file, moment in before.items() if file.name != "checkpoint"}
    assert not [*(tmp_path / "mirror").rglob("*.partial")]


@pytest.mark.usefixtures("acts")
def test_a_key_is_made_once_changed_with_an_overlap_and_taken_out(run: Run, tmp_path: Path) -> None:
    (first,) = keys_of(run, "--make")
    assert refusal(run("key", *HERE, "--make")) == "audit.log_key_there"
    told(run("seal", *HERE))
    second, former = keys_of(run, "--rotate")
    assert (former, second.name, second == first) == (first, first.name, False)
    first_note = told(run("checkpoint", *HERE)).encode()
    for wrong in ("00000000", second.id.hex()):
        assert refusal(run("key", *HERE, "--retire", wrong)) == "audit.log_key_unknown"
    assert keys_of(run, "--retire", first.id.hex()) == [second, first], "what it signed is still verified by it"
    assert open_checkpoint(first_note, keys_of(run)).checkpoint.size > 300
    private = (tmp_path / "data" / "log-keys" / "here.keys").read_text()
    assert private.count("PRIVATE+KEY+") == 1 and f"+{second.id.hex()}+" in private


@pytest.mark.usefixtures("small_city")
def test_a_city_that_is_not_there_gets_no_key_file(run: Run, tmp_path: Path) -> None:
    for options in ((), ("--make",), ("--rotate",), ("--retire", "00000000")):
        done = run("key", "--city", "heer", *options)
        assert refusal(done) == "registry.unknown_city"
        assert "There is no city 'heer'." in done.stderr and "carbon-bank registry city" in done.stderr
    assert not [*tmp_path.rglob("*.keys")]


@pytest.mark.usefixtures("small_city")
def test_a_key_is_not_made_where_the_settings_name_its_folder(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CARBON_BANK_LOG_KEYS_DIR", str(tmp_path / "kept"))
    assert refusal(run("key", *HERE)) == "audit.log_key"
    assert len(keys_of(run, "--make")) == 1
    assert (tmp_path / "kept" / "here.keys").stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("closed")
def test_a_household_is_forgotten_by_the_privacy_officer_alone(run: Run, owner: psycopg.Connection) -> None:
    assert refusal(run(*FORGET, "operator@here.test")) == "identity.forbidden"
    assert refusal(run(*FORGET, OFFICER)) == "audit.not_sealed"
    told(run("seal", *HERE))
    assert told(run(*FORGET, OFFICER)) == "What the log has of household alder cannot be opened any more.\n"
    assert refusal(run(*FORGET, OFFICER)) == "audit.erased"
    assert refusal(run(*FORGET[:4], "nobody", *FORGET[5:], OFFICER)) == "registry.unknown_household"
    acts = owner.execute("SELECT by LIKE 'person:%', role, reason FROM trail WHERE act = 'log.household_forgotten'")
    assert acts.fetchall() == [(True, "privacy_officer", FORGET[6])]
    assert owner.execute("SELECT count(*) FROM log_secret").fetchall() == [(0,)]
