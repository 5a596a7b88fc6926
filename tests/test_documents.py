"""The project's documents point at what exists, and at nothing outside the project."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parent.parent
DECISIONS = ROOT / "docs" / "decisions"
SKIPPED = {"build", "data", "dist", "node_modules"}

FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
ABSOLUTE = re.compile(r"(?<![\w.:/<>{}*-])/([A-Za-z][\w.-]*)/?")
SCRIPT = re.compile(r"(?<![\w/.-])scripts/[\w-]+(?:/[\w-]+)*(?:\.\w+)?")
SYSTEM_FOLDERS = {"Users", "Volumes", "etc", "home", "mnt", "opt", "private", "root", "srv", "tmp", "usr", "var"}
NOT_A_FOLDER_OF_THE_HOST = {"data", "dev"}
"""`/data` is a volume inside the container; `/dev/null` and `/dev/stdin` are everywhere."""


@cache
def documents() -> list[Path]:
    found = (path for pattern in ("*.md", "*/**/*.md") for path in ROOT.glob(pattern))
    parts = ((path, path.relative_to(ROOT).parts) for path in found)
    return sorted(path for path, names in parts if not any(name in SKIPPED or name.startswith(".") for name in names))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: Path) -> str:
    return path.read_text("utf-8")


def anchors(text: str) -> set[str]:
    """The anchors that headings get, as GitHub makes them."""
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*$", FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def broken_links(path: Path, text: str) -> list[str]:
    broken = []
    for inline, reference in LINK.findall(FENCE.sub("", text)):
        link = unquote(inline or reference)
        name, _, anchor = link.partition("#")
        if SCHEME.match(link):
            continue
        target = (path.parent / name).resolve() if name else path
        if not target.is_relative_to(ROOT) or not target.exists():
            broken.append(f"{link}: not in the project")
        elif anchor and target.suffix == ".md" and anchor not in anchors(text if target == path else read(target)):
            broken.append(f"{link}: no such heading")
    return broken


def outside_paths(text: str) -> list[str]:
    """Absolute paths into this machine, and paths that climb out of the project."""
    plain = URL.sub("", text)
    absolute = [name for name in ABSOLUTE.findall(plain) if name not in NOT_A_FOLDER_OF_THE_HOST]
    here = [f"/{name}" for name in absolute if name in SYSTEM_FOLDERS or Path("/", name).is_dir()]
    return here + re.findall(r"(?<![\w.])~/[\w.-]+", plain)


def missing_scripts(text: str) -> list[str]:
    return sorted({name for name in SCRIPT.findall(text) if not (ROOT / name).exists()})


def test_there_are_documents_to_check() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md"} <= {
        shown(path) for path in documents()
    }


@pytest.mark.parametrize("path", documents(), ids=shown)
def test_every_relative_link_resolves(path: Path) -> None:
    assert broken_links(path, read(path)) == []


@pytest.mark.parametrize("path", documents(), ids=shown)
def test_no_document_names_a_path_outside_the_project(path: Path) -> None:
    assert outside_paths(read(path)) == []


@pytest.mark.parametrize("path", documents(), ids=shown)
def test_every_script_that_a_document_names_exists(path: Path) -> None:
    assert missing_scripts(read(path)) == []


def test_every_decision_is_in_the_index_under_a_number_of_its_own() -> None:
    records = sorted(path.name for path in DECISIONS.glob("*.md") if path.name != "README.md")
    linked = re.findall(r"^\|\s*\[\d{4}\]\(([^)]+)\)", read(DECISIONS / "README.md"), re.MULTILINE)
    assert linked == records
    assert [name for name in records if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)] == []
    assert len({name[:4] for name in records}) == len(records)


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("[a](docs/nowhere.md)", "docs/nowhere.md: not in the project"),
        ("[a](../elsewhere.md)", "../elsewhere.md: not in the project"),
        ("[a]: docs/nowhere.md", "docs/nowhere.md: not in the project"),
        ("# One\n[a](#two)", "#two: no such heading"),
    ],
)
def test_a_broken_link_is_seen(link: str, complaint: str) -> None:
    assert broken_links(ROOT / "README.md", link) == [complaint]


def test_sound_links_pass() -> None:
    text = "# One, two\n[a](#one-two) [b](LICENSE) [c](https://example.org/x) [d](docs/architecture.md#the-street)\n"
    assert broken_links(ROOT / "README.md", text + "```\n[e](nowhere)\n```\n") == []


@pytest.mark.parametrize("path", ["/home/me/bank", "`/tmp/x`", "(/usr/bin/python3)", "~/bank", ROOT.as_posix()])
def test_a_path_outside_is_seen(path: str) -> None:
    assert outside_paths(f"Look at {path} first.") != []


@pytest.mark.parametrize(
    "path", ["`/v1/readings`", "https://example.org/home/x", "tests/readings", "/data", "and/or", "/docs"]
)
def test_routes_addresses_and_the_projects_own_paths_pass(path: str) -> None:
    assert outside_paths(f"Look at {path} first.") == []


def test_a_missing_script_is_seen() -> None:
    assert missing_scripts("Run `scripts/nothing-here` or scripts/test.") == ["scripts/nothing-here"]
