"""A witness that looks by itself: it follows a log that grows, and says so when one does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from carbon_bank.audit.formats.checkpoint import open_checkpoint, sign_checkpoint
from carbon_bank.audit.formats.note import SigningKey
from carbon_bank.foundation.errors import Refusal
from carbon_bank.witness import watching
from carbon_bank.witness.cosigning import Witness
from carbon_bank.witness.evidence import folder_of
from carbon_bank.witness.fetching import Source, check_url
from carbon_bank.witness.watching import LogInconsistent, Seen, look
from tests.audit.made_up import KEY, NEXT_KEY, ORIGIN, WITNESS, MadeUpLog, entry
from tests.witness.places import Served, grown_log, growth, log_at, made_witness

NOW = 1_785_000_000


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return made_witness(tmp_path)


@pytest.fixture
def log() -> MadeUpLog:
    return grown_log(300)


@pytest.fixture
def served(log: MadeUpLog) -> Iterator[Served]:
    with log_at(log.files) as made:
        yield made


@pytest.fixture
def source(served: Served) -> Iterator[Source]:
    with httpx.Client() as client:
        yield Source(served.url, client)


def sizes_of(seen: Seen) -> tuple[int | None, int]:
    return seen.before, seen.cosigned.checkpoint.size


def alarm(witness: Witness, source: Source) -> str:
    """The code, once it is sure that nothing was signed and both checkpoints were kept, as the log signed them."""
    before = witness.state.latest(ORIGIN)
    with pytest.raises(LogInconsistent, match="IS NOT CONSISTENT") as found:
        look(witness, source, NOW)
    assert witness.state.latest(ORIGIN) == before
    shown = open_checkpoint(source.checkpoint(), [KEY.verifier]).checkpoint
    kept = [open_checkpoint(Path(file).read_bytes(), [KEY.verifier]).checkpoint for file in found.value.facts["kept"]]
    assert kept == ([] if before is None else [before.checkpoint]) + [shown]
    assert all(file in found.value.message for file in found.value.facts["kept"])
    return found.value.code


def test_a_log_is_followed_as_it_grows(witness: Witness, source: Source, served: Served, tmp_path: Path) -> None:
    log = MadeUpLog()
    log.files = served.files
    served.files.clear()
    log.publish()
    assert sizes_of(look(witness, source, NOW)) == (None, 0)
    before = 0
    for size in (1, 1, 5, 256, 257, 300, 513, 1_030):
        log.add([entry(index) for index in range(log.size, size)])
        served.asked.clear()
        seen = look(witness, source, NOW)
        assert sizes_of(seen) == (before, size)
        assert open_checkpoint(bytes(seen.cosigned.note), [KEY.verifier], [WITNESS.verifier], 1).checkpoint.size == size
        assert len(served.asked) <= 8, "some tiles, never the entries"
        assert not any("entries" in path for path in served.asked)
        before = size


def test_the_tiles_are_those_of_the_checkpoint_from_the_first_look_on(
    witness: Witness, source: Source, served: Served
) -> None:
    wrong = bytearray(served.files["tile/0/001.p/44"])
    wrong[7] ^= 1
    right, served.files["tile/0/001.p/44"] = served.files["tile/0/001.p/44"], bytes(wrong)
    assert alarm(witness, source) == "witness.tiles"
    served.files["tile/0/001.p/44"] = right
    assert sizes_of(look(witness, source, NOW)) == (None, 300)


def test_a_tile_that_was_changed_is_found_as_the_log_grows(
    witness: Witness, source: Source, served: Served, log: MadeUpLog
) -> None:
    look(witness, source, NOW)
    log.add([entry(index) for index in range(300, 320)])
    path = "tile/0/001.p/64"
    right = served.files[path]
    for wrong in (b"\0" + right[1:], right[:-1], right + b"\0", b""):
        served.files[path] = wrong
        assert alarm(witness, source) == "witness.tiles"
    served.files[path] = right
    assert sizes_of(look(witness, source, NOW)) == (300, 320)


def test_another_tree_of_the_same_size_is_a_fork(witness: Witness, source: Source, served: Served) -> None:
    look(witness, source, NOW)
    served.files.update(grown_log(300, twist=1).files)
    assert alarm(witness, source) == "witness.forked"
    assert len([*folder_of(witness.state.file).iterdir()]) == 2


@pytest.mark.parametrize("size", [301, 512, 600])
def test_a_larger_tree_that_begins_otherwise_is_a_fork(
    witness: Witness, source: Source, served: Served, size: int
) -> None:
    look(witness, source, NOW)
    served.files.clear()
    served.files.update(grown_log(size, twist=1).files)
    assert alarm(witness, source) == "witness.forked"
    assert alarm(witness, source) == "witness.forked", "each time it looks"


def test_a_log_that_shrank_is_told(witness: Witness, source: Source, served: Served) -> None:
    look(witness, source, NOW)
    served.files.update(grown_log(299).files)
    assert alarm(witness, source) == "witness.shrunk"
    served.files.update(grown_log(300).files)
    assert sizes_of(look(witness, source, NOW)) == (300, 300)


def test_a_partial_tile_that_is_gone_is_the_beginning_of_the_full_one(
    witness: Witness, source: Source, served: Served, log: MadeUpLog
) -> None:
    look(witness, source, NOW)
    log.add([entry(index) for index in range(300, 400)])
    shown = served.files["checkpoint"]
    log.add([entry(index) for index in range(400, 600)])
    served.files["checkpoint"] = shown
    for path in [path for path in served.files if ".p/" in path and path.startswith("tile/0/001")]:
        del served.files[path]
    assert sizes_of(look(witness, source, NOW)) == (300, 400)


def test_what_cannot_be_read_or_is_not_the_log_s_is_no_alarm_and_no_signature(
    witness: Witness, source: Source, served: Served, log: MadeUpLog
) -> None:
    good = served.files["checkpoint"]
    other = SigningKey("bank.example/log/shelbyville", KEY.seed)
    tree = open_checkpoint(good, [KEY.verifier]).checkpoint
    renamed = type(tree)(other.name, tree.size, tree.root)
    for data, code in [
        (b"<html>", "audit.note"),
        (b"x" * 1_000_001, "witness.unreachable"),
        (good.replace(b"\n300\n", b"\n301\n"), "audit.signature"),
        (bytes(sign_checkpoint(tree, NEXT_KEY)), "audit.unsigned"),
        (bytes(sign_checkpoint(renamed, other)), "audit.unknown_log"),
    ]:
        served.files["checkpoint"] = data
        with pytest.raises(Refusal) as refused:
            look(witness, source, NOW)
        assert refused.value.code == code
    served.files["checkpoint"] = good
    for broken in ("checkpoint", "tile/0/001.p/44"):
        served.broken = [broken]
        with pytest.raises(Refusal, match=f"{broken} cannot be read: answered 500"):
            look(witness, source, NOW)
    served.broken = []
    data = served.files.pop("tile/0/001.p/44")
    with pytest.raises(Refusal, match="there is none"):
        look(witness, source, NOW)
    served.files["tile/0/001.p/44"] = data
    assert witness.state.latest(ORIGIN) is None
    assert not folder_of(witness.state.file).exists()
    with pytest.raises(Refusal) as refused:
        look(witness, Source("http://127.0.0.1:9/log", source.client), NOW)
    assert refused.value.code == "witness.unreachable"


def test_where_another_process_signed_meanwhile_it_proves_anew(
    witness: Witness, source: Source, served: Served, log: MadeUpLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(witness, source, NOW)
    log.add([entry(300)])
    halfway = bytes(growth(log, 300))
    log.add([entry(301)])
    prove = watching._proved

    def prove_late(*arguments: object) -> object:
        found = prove(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(watching, "_proved", prove)
        made_witness(witness.state.file.parent).add_checkpoint(halfway, NOW)
        return found

    monkeypatch.setattr(watching, "_proved", prove_late)
    assert sizes_of(look(witness, source, NOW)) == (301, 302)


def test_an_address_is_a_prefix() -> None:
    assert check_url("https://bank.example/log/springfield/") == "https://bank.example/log/springfield"
    for url in (
        "bank.example/log",
        "ftp://bank.example/log",
        "https://",
        "https://bank.example/log?x=1",
        "",
    ):
        with pytest.raises(Refusal) as refused:
            check_url(url)
        assert refused.value.code == "witness.url"
