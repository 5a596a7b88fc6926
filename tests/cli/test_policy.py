"""`carbon-bank policy list | show | validate | schema`, as typed: no database is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from carbon_bank.cli import policy as command
from carbon_bank.programme.document import policy_schema
from carbon_bank.programme.page import policy_page
from carbon_bank.programme.page_words import PageLanguage
from carbon_bank.programme.policy import load_shipped, parse_policy, shipped_policies
from tests.cli.typed import Run, typed

SEOUL = load_shipped("seoul-eco-mileage@2024")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    carbon_bank = typed(monkeypatch, capsys, "postgresql://nobody@127.0.0.1:1/nowhere", tmp_path)
    return lambda *arguments: carbon_bank("policy", *map(str, arguments))


def test_all_shipped_policies_are_listed_by_names_that_can_be_typed_again(run: Run) -> None:
    listed = run("list").stdout
    assert [reference for reference in shipped_policies() if reference not in listed] == []


@pytest.mark.parametrize("language", PageLanguage)
def test_piped_the_page_is_markdown(run: Run, language: PageLanguage) -> None:
    for reference in shipped_policies():
        done = run("show", reference, "--language", language.value)
        assert (done.returncode, done.stdout) == (0, policy_page(load_shipped(reference), language))


def test_on_a_terminal_the_page_is_laid_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    told = run("show", SEOUL.reference).stdout
    assert "\x1b[" in told and "Seoul Eco-Mileage" in told and "10,000 points" in told
    assert "| --- |" not in told and "## " not in told


def test_the_text_is_exact_to_the_byte(run: Run, tmp_path: Path) -> None:
    told = run("show", SEOUL.reference, "--text").stdout
    assert told == SEOUL.text
    assert parse_policy(told).digest == SEOUL.digest


def test_a_file_is_shown_and_checked_like_a_shipped_one(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(SEOUL.text.replace('version: "2024"', 'version: "own"'), "utf-8")
    assert "`seoul-eco-mileage@own`" in run("show", own).stdout
    assert run("validate", own).stdout.startswith("seoul-eco-mileage@own is a valid policy. digest ")


def test_what_lacks_before_approval_is_told_and_is_no_fault(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "\n".join(line for line in SEOUL.text.splitlines() if not line.startswith(("title", "  en:", "  ko:")))
    )
    done = run("validate", own)
    assert (done.returncode, done.stdout.splitlines()[1]) == (
        0,
        "before approval: A policy needs 'title' before approval.",
    )


def test_all_faults_are_told_each_with_its_key_and_the_exit_is_2(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        SEOUL.text.replace('{from: "0.10"', '{from: "0.05", above: "0.04"').replace("points: 50000", "points: -1")
        + "colour: green\n",
        "utf-8",
    )
    done = run("validate", wrong)
    assert done.returncode == 2 and done.stdout == ""
    told = done.stderr.splitlines()
    assert told[0].startswith("The policy has 4 faults.") and told[-1] == "code: programme.policy_invalid"
    for fault in (
        "  reduction.tiers[1]: A tier has either 'from' or 'above'; this one has both. [programme.contradiction]",
        "  reduction.tiers[1].above: It does not come after the tier before it (from 0.05): tiers stand in ascending "
        "order, each bound once. [programme.contradiction]",
        "  reduction.tiers[2].points '-1': It must be at least 0. [programme.value]",
        "  colour: There is no key of this name in a policy. Check its spelling. [programme.unknown_key]",
    ):
        assert fault in told


def test_an_unknown_policy_or_language_is_refused(run: Run) -> None:
    unknown = run("show", "korea-carbon-point@1999")
    assert unknown.returncode == 2 and "code: programme.policy_unknown" in unknown.stderr
    assert run("show", SEOUL.reference, "--language", "tlh").returncode == 2


def test_the_schema_is_printed_or_written_to_a_file(run: Run, tmp_path: Path) -> None:
    assert json.loads(run("schema").stdout) == policy_schema()
    assert "Wrote the schema" in run("schema", "--out", tmp_path / "policy.schema.json").stdout
    written = json.loads((tmp_path / "policy.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(written)
    assert written == policy_schema()


def test_every_command_says_what_it_is_for(run: Run) -> None:
    assert [
        each.callback.__name__ for each in command.app.registered_commands if not (each.callback.__doc__ or "")
    ] == []
