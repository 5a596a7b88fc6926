"""docker-compose.yml, Dockerfile and .dockerignore say what the rest of the project says."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from carbon_bank.settings import Settings

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")

# The part of the Compose specification that the file uses: key -> the types its value may have.
TOP_KEYS: dict[str, tuple[type, ...]] = {"services": (dict,), "volumes": (dict,)}
SERVICE_KEYS: dict[str, tuple[type, ...]] = {
    "build": (str, dict),
    "cap_drop": (list,),
    "command": (list,),
    "depends_on": (dict,),
    "environment": (dict,),
    "healthcheck": (dict,),
    "image": (str,),
    "init": (bool,),
    "ports": (list,),
    "restart": (str,),
    "security_opt": (list,),
    "shm_size": (str, int),
    "stop_grace_period": (str,),
    "volumes": (list,),
}
HEALTHCHECK_KEYS = {"test", "interval", "timeout", "retries", "start_period"}
RESTARTS = {"no", "always", "on-failure", "unless-stopped"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)(?:(:?[-?+])([^}]*))?\}")


def structure_faults(compose: dict[str, Any]) -> list[str]:
    faults = [f"unknown key {key}" for key in compose.keys() - TOP_KEYS.keys()]
    services, volumes = compose["services"], compose["volumes"]
    for name, service in services.items():
        for key, value in service.items():
            if not isinstance(value, SERVICE_KEYS.get(key, ())):
                faults.append(f"{name}.{key}: unknown, or of another type than the specification's")
        if "image" not in service and "build" not in service:
            faults.append(f"{name}: neither image nor build")
        if service.get("restart", "no") not in RESTARTS:
            faults.append(f"{name}.restart: {service['restart']}")
        if not all(isinstance(value, str | int | None) for value in service.get("environment", {}).values()):
            faults.append(f"{name}.environment: a value is neither text nor a number")
        faults += [f"{name}.healthcheck: {key}" for key in service.get("healthcheck", {}).keys() - HEALTHCHECK_KEYS]
        for other, waits in service.get("depends_on", {}).items():
            if other not in services or waits.get("condition") not in CONDITIONS:
                faults.append(f"{name}.depends_on.{other}: no such service or condition")
            elif (
                waits["condition"] == "service_healthy"
                and "healthcheck" not in services[other]
                and "build" not in services[other]
            ):
                faults.append(f"{name}.depends_on.{other}: waits for health that nothing checks")
        for mount in service.get("volumes", []):
            if mount.split(":")[0] not in volumes:
                faults.append(f"{name}.volumes: {mount} names no volume of this file")
    return faults


def variables(text: str) -> dict[str, list[str]]:
    """Name -> the operator of each use (`:?` required, `:-` with a default), comments left out."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        for name, operator, _ in VARIABLE.findall("" if line.lstrip().startswith("#") else line):
            found.setdefault(name, []).append(operator)
    return found


def test_the_file_has_the_structure_of_the_compose_specification() -> None:
    assert structure_faults(COMPOSE) == []


@pytest.mark.parametrize(
    ("service", "key", "value"),
    [
        ("bank", "depend_on", {}),
        ("bank", "restart", False),
        ("bank", "restart", "sometimes"),
        ("bank", "depends_on", {"database": {"condition": "service_healthy"}}),
        ("bank", "depends_on", {"db": {"condition": "service_ready"}}),
        ("bank", "volumes", ["elsewhere:/data"]),
        ("db", "healthcheck", {"tests": []}),
        ("bank", "environment", {"A": [1]}),
    ],
)
def test_a_broken_file_would_be_seen(service: str, key: str, value: object) -> None:
    assert structure_faults({**COMPOSE, "services": {**SERVICES, service: {**SERVICES[service], key: value}}}) != []


def test_the_bank_starts_only_on_a_healthy_and_migrated_database() -> None:
    assert SERVICES["bank"]["depends_on"] == {
        "db": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }
    assert SERVICES["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert SERVICES["migrate"]["command"] == ["carbon-bank", "db", "upgrade"]
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["bank"]["command"][:2] == ["carbon-bank", "serve"]


def test_the_database_is_postgresql_18_on_a_named_volume() -> None:
    assert SERVICES["db"]["image"] == "postgres:18"
    assert SERVICES["db"]["volumes"] == ["database:/var/lib/postgresql"]  # from 18 on, no longer .../data
    assert "database" in COMPOSE["volumes"]


def test_the_password_is_required_and_written_nowhere() -> None:
    assert set(variables(TEXT)["POSTGRES_PASSWORD"]) == {":?"}
    assert VARIABLE.fullmatch(SERVICES["db"]["environment"]["POSTGRES_PASSWORD"])
    assert not re.search(r"postgresql://[^@/\s]*:", TEXT)


def test_the_bank_and_the_migration_reach_the_database_as_it_is_set_up() -> None:
    made = SERVICES["db"]["environment"]
    expected = f"postgresql://{made['POSTGRES_USER']}@db:5432/{made['POSTGRES_DB']}"
    for name in ("bank", "migrate"):
        given = SERVICES[name]["environment"]
        assert given["CARBON_BANK_DATABASE_URL"] == expected
        assert given["PGPASSWORD"] == made["POSTGRES_PASSWORD"]


def test_the_keys_outlive_the_container() -> None:
    for name in ("bank", "migrate"):
        folder = SERVICES[name]["environment"]["CARBON_BANK_DATA_DIR"]
        assert f"keys:{folder}" in SERVICES[name]["volumes"]
        assert f"CARBON_BANK_DATA_DIR={folder}" in DOCKERFILE


def test_every_setting_that_the_containers_are_given_exists() -> None:
    prefix = Settings.model_config["env_prefix"]
    known = {f"{prefix}{name}".upper() for name in Settings.model_fields}
    given = set(re.findall(r"\bCARBON_BANK_[A-Z0-9_]+", TEXT + DOCKERFILE))
    assert given - known == set()
    assert {"CARBON_BANK_DATABASE_URL", "CARBON_BANK_DATA_DIR"} <= given


def test_every_variable_of_the_compose_file_is_documented() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    told = "\n".join(page.read_text("utf-8") for page in pages)
    assert [name for name in variables(TEXT) if f"`{name}`" not in told] == []


def test_the_image_does_not_run_as_root_and_tells_its_health() -> None:
    final_stage = DOCKERFILE.split("\nFROM ")[-1]
    assert re.search(r"^USER bank$", final_stage, re.MULTILINE)
    assert "/health/live" in final_stage
    assert 'CMD ["carbon-bank", "serve", "--host", "0.0.0.0", "--port", "8000"]' in final_stage


def test_the_image_installs_only_what_the_lock_files_pin() -> None:
    installs = re.findall(r"pip install (.*)", DOCKERFILE)
    assert installs
    assert all("--require-hashes" in each or "--no-index --no-deps" in each for each in installs)
    locked = (ROOT / "requirements-dev.lock").read_text("utf-8")
    cut_out = re.search(r"\^\(([a-z|-]+)\)==", DOCKERFILE)
    assert cut_out is not None
    names = cut_out[1].split("|")
    assert [name for name in names if f"\n{name}==" not in f"\n{locked}"] == []
    needed = [Requirement(line) for name in names for line in metadata.requires(name) or []]
    assert {each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})} <= set(names)


def test_the_build_sees_every_file_that_it_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]
    ]
    assert [name for name in copied if f"!{name}" not in lines or not (ROOT / name).exists()] == []
