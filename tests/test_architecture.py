"""The house keeps its shape: the street, the rooms, the purity of their laws, sizes.

Each check takes a house (path inside carbon_bank -> parsed module) and returns complaints. The same checks run over the
real house and, at the end of this file, over tiny bad ones, so that none of them can fall silent.
Source: docs/architecture.md.
"""

from __future__ import annotations

import ast
import graphlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "carbon_bank"
ROOT = Path(__file__).parent.parent / PACKAGE

STREET = (
    "foundation",
    "trail",
    "identity",
    "webhooks",
    "inbox",
    "ledger",
    "registry",
    "readings",
    "programme",
    "settlement",
    "rewards",
    "audit",
)
"""From the bottom to the top: a room imports only rooms before it."""
EDGE: dict[str, set[str]] = {
    "__main__": {"cli"},
    "cli": {"main", "worker", "demo", "schema", "witness"},
    "main": {"health", "web", "worker", "schema"},
    "health": set(),
    "web": set(),
    "worker": {"schema"},
    "witness": set(),
    "demo": {"main", "worker", "schema"},
    "schema": set(),
}
"""The edge above all rooms, and which neighbours at the edge each may import."""
READS_SETTINGS = {"main", "cli", "worker", "demo"}

KINDS = {"tables", "queries", "service", "api"}
"""What a module of a room is by its name (`queries.py`, `import_queries.py`); any other name holds law: pure."""
OWN_ROOM: dict[str, set[str]] = {
    "room": {"law"},
    "law": {"law", "room"},
    "tables": {"tables", "law", "room"},
    "queries": {"queries", "tables", "law", "room"},
    "service": {"service", "queries", "tables", "law", "room"},
    "api": {"api", "service", "law", "room"},
    "door": {"law", "room"},
}
OTHER_ROOM: dict[str, set[str]] = {
    "room": set(),
    "law": {"law"},
    "tables": {"law", "room"},
    "queries": {"law", "room"},
    "service": {"service", "law", "room"},
    "api": {"service", "law", "room"},
    "door": {"law", "room"},
    "edge": {"service", "law", "room"},
    "main": {"api", "service", "law", "room"},  # mounts the routes
    "schema": {"tables"},  # shows all tables to the migrations
}
DOORS: dict[str, set[str]] = {
    "audit/log/keys.py": {"edge", "main"},  # files of signing keys: makes and reads them
    "identity/access.py": {"api", "edge", "main"},  # the dependency on every route that needs a permission
    "identity/secrets.py": {"service", "api"},  # hashes passwords: slow on purpose, and random
    "identity/tokens.py": {"service", "api", "door", "edge", "main"},  # signs and reads: the one that knows jose
    "webhooks/calling.py": {"api", "edge", "main"},  # calls out: resolves, checks, sends
}
"""Modules of a room that are none of these kinds and not pure either, and who may import them."""

FOUNDATION_FOR_LAW = {"units", "calendar", "errors", "sheet"}
LIBRARIES_FOR_LAW = {"polars", "numpy"}
MORE_LIBRARIES: dict[str, set[str]] = {
    "programme/document.py": {"pydantic"},  # the keys of the policy document
    "programme/policy.py": {"pydantic", "yaml"},  # reads and validates it
    "programme/sweep.py": {"yaml"},  # writes it again with another value
    "readings/formats/espi_feed.py": {"lxml"},  # reads XML as a stream
    "readings/formats/parquet.py": {"pyarrow"},  # survives a broken file
    "readings/formats/mapping.py": {"pydantic", "yaml"},  # the document that says what a utility's columns mean
    "audit/export/files.py": {"pyarrow"},  # writes Parquet in pieces
    "audit/formats/note.py": {"cryptography"},  # Ed25519
    "ledger/statement_file.py": {"fpdf", "pylopdf_fonts_ko"},  # writes PDF, and the font in it
    "rewards/bank_return.py": {"lxml"},  # reads pain.002 as a stream
    "rewards/credit_transfer.py": {"lxml"},  # writes pain.001 as a stream
    "rewards/pickup_code.py": {"segno"},  # draws the QR
}
IMPURE = {"asyncio", "http", "os", "random", "secrets", "socket", "subprocess", "threading", "time", "urllib"}
CLOCKS = {"datetime": {"now", "utcnow", "today"}, "date": {"today"}, "uuid": {"uuid1", "uuid4"}}

EXACT_ROOMS = {"readings", "programme"}
"""Their law decides points: no floating point, no true division."""
INEXACT_AND_FINE: dict[tuple[str, str], str] = {}
"""(path, function) -> why a `/` or a float there decides no point (a path, a Fraction, a share that is only shown)."""

STATUS_MODULES = {"http.HTTPStatus", "fastapi.status", "starlette.status"}
FILE_LINES_AIM, FILE_LINES_MAX = 300, 400
FUNCTION_LINES_AIM, FUNCTION_LINES_MAX = 40, 70

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    target: str  # dotted: a module of the bank, or the library's module and name
    line: int


@dataclass(frozen=True)
class Module:
    path: str
    source: str
    tree: ast.Module

    @property
    def name(self) -> str:
        parts = [PACKAGE, *self.path.removesuffix(".py").split("/")]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        return self.name if self.path.endswith("__init__.py") else self.name.rpartition(".")[0]

    def at(self, line: int, complaint: str) -> str:
        return f"{PACKAGE}/{self.path}:{line}: {complaint}"


House = dict[str, Module]


def build(sources: dict[str, str]) -> House:
    modules = [Module(path, source, ast.parse(source, path)) for path, source in sources.items()]
    return {module.name: module for module in modules}


@cache
def the_house() -> House:
    return build({str(path.relative_to(ROOT)): path.read_text("utf-8") for path in sorted(ROOT.rglob("*.py"))})


def place_of(name: str) -> str:
    """`readings` of `carbon_bank.readings.rules`; empty for the package itself."""
    return [*name.split("."), ""][1]


def path_of(name: str) -> str:
    return "/".join(name.split(".")[1:]) + ".py"


def kind_of(name: str) -> str:
    """`api`, `service`, `queries`, `tables`, `door`, `law`, or `room` for the room's own `__init__`."""
    inner = name.split(".")[2:]
    if path_of(name) in DOORS:
        return "door"
    return next((part.split("_")[-1] for part in inner if part.split("_")[-1] in KINDS), "law" if inner else "room")


def is_ours(target: str) -> bool:
    return target.split(".")[0] == PACKAGE


def imports_of(module: Module, house: House) -> Iterator[Import]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.package.split(".")
            base = (
                ".".join([*above[: len(above) - node.level + 1], *filter(None, [node.module])])
                if node.level
                else node.module
            )
            assert base is not None
            for alias in node.names:
                full = f"{base}.{alias.name}"
                is_module = full in house or (base.count(".") == 1 and alias.name in KINDS)
                yield Import(full if is_module or not is_ours(base) else base, node.lineno)


def every_import(house: House) -> Iterator[tuple[Module, Import]]:
    return ((module, each) for module in house.values() for each in imports_of(module, house))


def check_street(house: House) -> list[str]:
    complaints = [
        module.at(1, f"'{place_of(module.name)}' has no place in the street; name it in {Path(__file__).name}")
        for module in house.values()
        if place_of(module.name) not in {"", "settings", *STREET, *EDGE}
    ]
    for module, each in every_import(house):
        here, there = place_of(module.name), place_of(each.target)
        if is_ours(each.target) and there not in {"", here} and not _is_downhill(here, there):
            complaints.append(
                module.at(each.line, f"{here or PACKAGE} may not import {there}: imports run downhill only")
            )
    return complaints


def _is_downhill(here: str, there: str) -> bool:
    if there == "settings":
        return here in READS_SETTINGS
    if here == "settings":
        return there == "foundation"
    if here in EDGE:
        return there in STREET or there in EDGE[here]
    return here in STREET and there in STREET[: STREET.index(here)]


def check_cycles(house: House) -> list[str]:
    graph: dict[str, set[str]] = {name: set() for name in house}
    for module, each in every_import(house):
        if each.target in house and each.target != module.name:
            graph[module.name].add(each.target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [f"modules import each other in a circle: {' <- '.join(error.args[1])}"]
    return []


def check_folders(house: House) -> list[str]:
    """The folders of a room import each other in one direction."""
    graph: dict[str, set[str]] = {}
    for module, each in every_import(house):
        here, there = _folder_of(module.package), _folder_of(each.target if each.target in house else "")
        if here and there and here != there and here.split("/")[0] == there.split("/")[0]:
            graph.setdefault(here, set()).add(there)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [f"folders import each other in a circle: {' <- '.join(error.args[1])}"]
    return []


def _folder_of(name: str) -> str:
    """`audit/log` of `carbon_bank.audit.log.tables` and of the folder's own name; empty at the top of a room."""
    parts = name.split(".")
    return "/".join(parts[1:3]) if len(parts) > 2 and (ROOT / parts[1] / parts[2]).is_dir() else ""


def check_rooms(house: House) -> list[str]:
    complaints = []
    for module, each in every_import(house):
        here, there = place_of(module.name), place_of(each.target)
        if not is_ours(each.target) or there not in STREET[1:] or here == "foundation":
            continue
        kind = kind_of(module.name) if here in STREET else here if here in OTHER_ROOM else "edge"
        other = kind_of(each.target)
        if other == "door":
            welcome = kind in DOORS[path_of(each.target)]
        else:
            welcome = other in (OWN_ROOM if here == there else OTHER_ROOM)[kind]
        if not welcome:
            complaints.append(module.at(each.line, f"{kind} may not import {each.target} ({other} of {there})"))
    return complaints


def check_libraries(house: House) -> list[str]:
    """api writes no SQL, nothing but api speaks HTTP, jose has one home, statuses have one home."""
    complaints = []
    for module, each in every_import(house):
        library = each.target.split(".")[0]
        kind = kind_of(module.name) if place_of(module.name) in STREET[1:] else ""
        if kind == "api" and library in {"sqlalchemy", "psycopg"}:
            complaints.append(module.at(each.line, f"api may not import {library}: SQL stands in queries"))
        if kind == "api" and library == "sqlmodel" and each.target not in {"sqlmodel.SQLModel", "sqlmodel.Field"}:
            complaints.append(module.at(each.line, f"api may not import {each.target}: SQL stands in queries"))
        if kind in {"service", "queries", "tables"} and library in {"fastapi", "starlette"}:
            complaints.append(module.at(each.line, f"{kind} may not import {library}: HTTP stands in api"))
        if library == "jose" and module.path != "identity/tokens.py":
            complaints.append(module.at(each.line, "only identity/tokens.py imports jose"))
        knows_statuses = each.target.endswith(".HTTPException") or any(
            f"{each.target}.".startswith(f"{name}.") for name in STATUS_MODULES
        )
        if knows_statuses and module.path != "foundation/problems.py":
            complaints.append(module.at(each.line, "only foundation/problems.py knows HTTP statuses: raise a Refusal"))
    return complaints


def check_statuses(house: House) -> list[str]:
    """No module but foundation/problems.py writes an error status into an answer."""
    complaints = []
    for module in house.values():
        for node in ast.walk(module.tree):
            if module.path == "foundation/problems.py" or not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func).rpartition(".")[2]
            given = [keyword.value for keyword in node.keywords if keyword.arg in {"status", "status_code"}]
            given += node.args if called.endswith("Response") or called in {"answer", "HTTPException"} else []
            statuses = [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, int)]
            for status in statuses:
                if 400 <= status <= 599:
                    complaints.append(
                        module.at(node.lineno, f"{status}: only foundation/problems.py knows HTTP statuses")
                    )
    return complaints


def check_law(house: House) -> list[str]:
    """Law is pure: few libraries, no clock, no chance, no surroundings."""
    complaints = []
    for module in house.values():
        if place_of(module.name) not in STREET[1:] or kind_of(module.name) != "law":
            continue
        for each in imports_of(module, house):
            parts = each.target.split(".")
            if is_ours(each.target):
                if parts[1:2] == ["foundation"] and (len(parts) < 3 or parts[2] not in FOUNDATION_FOR_LAW):
                    complaints.append(module.at(each.line, f"law may not import {each.target}"))
            elif parts[0] in IMPURE or not (
                parts[0] in sys.stdlib_module_names
                or parts[0] in LIBRARIES_FOR_LAW
                or parts[0] in MORE_LIBRARIES.get(module.path, set())
            ):
                complaints.append(module.at(each.line, f"law may not import {parts[0]}"))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module in {"datetime", "uuid"}:
                hidden = [alias.name for alias in node.names if alias.asname or alias.name in CLOCKS["uuid"]]
                complaints += [
                    module.at(node.lineno, f"law may not import {name} so: its use would not be seen")
                    for name in hidden
                ]
            if isinstance(node, ast.Attribute) and node.attr in CLOCKS.get(
                ast.unparse(node.value).rpartition(".")[2], ()
            ):
                complaints.append(module.at(node.lineno, f"law may not ask for {node.attr}: it is an argument"))
    return complaints


def check_exactness(house: House) -> list[str]:
    complaints = []
    for module in house.values():
        if place_of(module.name) in EXACT_ROOMS and kind_of(module.name) == "law":
            complaints += _inexact(module, module.tree, "")
    return complaints


def _inexact(module: Module, node: ast.AST, function: str) -> Iterator[str]:
    if isinstance(node, FunctionNode | ast.ClassDef):
        function = f"{function}.{node.name}".lstrip(".")
    divides = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
    floats = isinstance(node, ast.Constant) and isinstance(node.value, float)
    if (divides or floats) and (module.path, function) not in INEXACT_AND_FINE:
        found = "true division" if divides else "a float"
        yield module.at(node.lineno, f"{found} in {function or 'the module'}: what decides points is exact")  # type: ignore[attr-defined]
    for child in ast.iter_child_nodes(node):
        yield from _inexact(module, child, function)


def check_no_hidden_imports(house: House) -> list[str]:
    complaints = []
    for module in house.values():
        for function in (node for node in ast.walk(module.tree) if isinstance(node, FunctionNode)):
            for node in ast.walk(function):
                called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
                if isinstance(node, ast.Import | ast.ImportFrom) or called in {"__import__", "import_module"}:
                    complaints.append(
                        module.at(node.lineno, f"import inside {function.name}: imports stand at the top")
                    )
    return sorted(set(complaints))


def sizes(house: House) -> Iterator[tuple[str, int, int, int]]:
    """(what, lines, aim, most) of each file, and of each function without its docstring."""
    for module in house.values():
        yield f"{PACKAGE}/{module.path}", len(module.source.splitlines()), FILE_LINES_AIM, FILE_LINES_MAX
        for node in ast.walk(module.tree):
            if isinstance(node, FunctionNode):
                first = node.body[0]
                told = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(node) is not None else 0
                lines = (node.end_lineno or 0) - node.lineno + 1 - told
                yield module.at(node.lineno, f"{node.name}()"), lines, FUNCTION_LINES_AIM, FUNCTION_LINES_MAX


def check_sizes(house: House) -> list[str]:
    return [
        f"{what}: {lines} lines, at most {most}; split it by idea"
        for what, lines, _, most in sizes(house)
        if lines > most
    ]


# The real house.


def expect_none(complaints: list[str]) -> None:
    told = "\n".join(dict.fromkeys(complaints))
    assert not told, f"\n{told}"


class SizeReport:
    """Adds what is larger than the aim to pytest's closing words."""

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        large = sorted((-lines, what, aim) for what, lines, aim, _ in sizes(the_house()) if lines > aim)
        if large:
            terminalreporter.section("larger than the aim (a report, no failure)")
        for lines, what, aim in large:
            terminalreporter.line(f"{-lines:5d} lines (aim {aim})  {what}")


def test_imports_run_downhill_only() -> None:
    expect_none(check_street(the_house()))


def test_the_documents_show_the_same_street() -> None:
    told = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    assert f"> {' > '.join(reversed(STREET))}\n" in told
    listed = re.findall(r"^    (\w+)  ", ast.get_docstring(the_house()[PACKAGE].tree, clean=False) or "", re.MULTILINE)
    assert listed == list(reversed(STREET))


def test_no_modules_import_each_other_in_a_circle() -> None:
    expect_none(check_cycles(the_house()))


def test_the_folders_of_a_room_import_each_other_in_one_direction() -> None:
    expect_none(check_folders(the_house()))


def test_each_room_keeps_its_shape_and_its_neighbours_secrets() -> None:
    expect_none(check_rooms(the_house()))


def test_sql_http_and_jose_stand_only_where_they_belong() -> None:
    expect_none(check_libraries(the_house()) + check_statuses(the_house()))


def test_law_is_pure() -> None:
    expect_none(check_law(the_house()))


def test_law_that_decides_points_is_exact() -> None:
    expect_none(check_exactness(the_house()))


def test_no_import_hides_inside_a_function() -> None:
    expect_none(check_no_hidden_imports(the_house()))


def test_nothing_outgrows_the_most_and_what_exceeds_the_aim_is_told(request: pytest.FixtureRequest) -> None:
    request.config.pluginmanager.register(SizeReport(), "carbon-bank-sizes")
    expect_none(check_sizes(the_house()))


def test_every_exception_still_names_a_file_of_its_room() -> None:
    named = {*DOORS, *MORE_LIBRARIES, *(path for path, _ in INEXACT_AND_FINE)}
    gone = [path for path in named if (ROOT / path).with_name("__init__.py").is_file() and not (ROOT / path).is_file()]
    assert gone == []


# Bad houses: each check must see what it is for.

PURE, BAD = "from fractions import Fraction\nimport polars as pl\n", "x = 1\n"


@pytest.mark.parametrize(
    ("check", "sources"),
    [
        (check_street, {"ledger/service.py": "from carbon_bank.readings import service", "readings/service.py": BAD}),
        (check_street, {"readings/service.py": "from ..programme import rules", "programme/rules.py": BAD}),
        (check_street, {"readings/service.py": "import carbon_bank.main"}),
        (check_street, {"readings/service.py": "from carbon_bank.settings import Settings"}),
        (check_street, {"settings.py": "from carbon_bank.readings.rules import a"}),
        (check_street, {"worker/queue.py": "from carbon_bank.cli import main"}),
        (check_street, {"foundation/units.py": "from carbon_bank.identity import people"}),
        (check_street, {"utilities/rules.py": BAD}),
        (check_cycles, {"ledger/a.py": "from carbon_bank.ledger import b", "ledger/b.py": "from . import a"}),
        (
            check_folders,
            {
                "audit/log/a.py": "from carbon_bank.audit.export import a",
                "audit/export/a.py": BAD,
                "audit/export/b.py": "from carbon_bank.audit.log import a",
            },
        ),
        (check_rooms, {"readings/api.py": "from carbon_bank.readings import queries"}),
        (check_rooms, {"readings/api.py": "from carbon_bank.readings.tables import Reading"}),
        (check_rooms, {"readings/queries.py": "from carbon_bank.readings.service import take"}),
        (check_rooms, {"readings/rules.py": "from carbon_bank.readings.tables import Reading"}),
        (check_rooms, {"readings/service.py": "from carbon_bank.registry.queries import meters"}),
        (check_rooms, {"readings/tables.py": "from carbon_bank.registry.tables import Meter"}),
        (check_rooms, {"programme/rules.py": "from carbon_bank.readings.service import usage"}),
        (check_rooms, {"cli/readings.py": "from carbon_bank.readings import tables"}),
        (check_rooms, {"worker/queue.py": "from carbon_bank.readings import api"}),
        (check_rooms, {"schema.py": "from carbon_bank.readings import queries"}),
        (check_rooms, {"ledger/service.py": "from carbon_bank.identity import access", "identity/access.py": BAD}),
        (check_libraries, {"readings/api.py": "from sqlmodel import select"}),
        (check_libraries, {"readings/api.py": "import sqlalchemy.orm"}),
        (check_libraries, {"readings/service.py": "from fastapi import Depends"}),
        (check_libraries, {"readings/import_service.py": "import starlette.requests"}),
        (check_libraries, {"identity/people.py": "from jose import jwt"}),
        (check_libraries, {"readings/api.py": "from fastapi import HTTPException"}),
        (check_libraries, {"main.py": "from http import HTTPStatus"}),
        (check_libraries, {"main.py": "from starlette.status import HTTP_404_NOT_FOUND"}),
        (check_statuses, {"main.py": "JSONResponse({}, 404)"}),
        (check_statuses, {"readings/api.py": "router.get('/', status_code=422)"}),
        (check_law, {"readings/rules.py": "import sqlmodel"}),
        (check_law, {"readings/rules.py": "import random"}),
        (check_law, {"readings/intake.py": "from carbon_bank.foundation import clock", "foundation/clock.py": BAD}),
        (check_law, {"readings/rules.py": "from datetime import datetime\nx = datetime.now()"}),
        (check_law, {"ledger/rules.py": "from datetime import date\nx = date.today"}),
        (check_law, {"ledger/rules.py": "from datetime import date as day"}),
        (check_law, {"ledger/rules.py": "from uuid import uuid4"}),
        (check_law, {"programme/award.py": "import yaml"}),
        (check_exactness, {"programme/award.py": "def rate(a, b):\n    return a / b"}),
        (check_exactness, {"programme/award.py": "x = 2\nx /= 3"}),
        (check_exactness, {"readings/rules.py": "SHARE = 0.5"}),
        (check_no_hidden_imports, {"cli/__init__.py": "def run():\n    from carbon_bank import main"}),
        (check_no_hidden_imports, {"main.py": "async def run():\n    importlib.import_module('x')"}),
        (check_sizes, {"readings/rules.py": BAD * (FILE_LINES_MAX + 1)}),
        (check_sizes, {"readings/rules.py": "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX}),
    ],
)
def test_a_bad_house_is_seen(check, sources: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    assert len(check(build(sources))) == 1


def test_a_good_house_raises_no_complaint() -> None:
    house = build(
        {
            "__init__.py": '"""The bank."""',
            "settings.py": "from carbon_bank.foundation.errors import InvalidInput",
            "main.py": "from carbon_bank import __version__\nfrom carbon_bank.readings import api\nfrom carbon_bank import web",
            "web/__init__.py": "from carbon_bank.readings import service",
            "schema.py": "from carbon_bank.readings import tables as readings_tables",
            "foundation/errors.py": BAD,
            "identity/tokens.py": "from jose import jwt\nimport time",
            "registry/rules.py": PURE,
            "readings/__init__.py": "",
            "readings/rules.py": PURE
            + "from carbon_bank.registry import rules\nx = 7 // 2\ndef f(today, now):\n    return today",
            "readings/tables.py": "from sqlmodel import SQLModel\nfrom carbon_bank.readings.rules import x",
            "readings/queries.py": "from sqlmodel import select\nfrom carbon_bank.readings import tables",
            "readings/service.py": "from carbon_bank.readings import queries, rules\nfrom carbon_bank.foundation import errors",
            "readings/api.py": "from fastapi import APIRouter\nfrom carbon_bank.readings import service\nsend(status_code=201)",
            "programme/policy.py": "import yaml\nfrom carbon_bank.foundation.errors import InvalidInput",
        }
    )
    checks = [check_street, check_cycles, check_rooms, check_libraries, check_statuses, check_law, check_exactness]
    assert [complaint for check in [*checks, check_no_hidden_imports, check_sizes] for complaint in check(house)] == []
