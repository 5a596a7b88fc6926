"""Every setting of the bank, read once and passed in.

Each field is `CARBON_BANK_<NAME>` in the environment, or a key of the TOML file that `CARBON_BANK_CONFIG` names
(`carbon-bank.toml` in the working folder by default). The environment wins. docs/settings.md lists them; a test
compares the two.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from carbon_bank.foundation.clients import read_networks
from carbon_bank.foundation.errors import Fault, InvalidInput


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CARBON_BANK_", frozen=True, extra="forbid")

    database_url: str | None = Field(
        None,
        description="PostgreSQL 15 or newer, as postgresql://user:password@host:port/name. Unset: the embedded one.",
    )
    data_dir: Path = Field(
        Path("data"), description="Folder of the embedded database, of generated keys and of imported files."
    )
    host: str = Field("127.0.0.1", description="Address on which `serve` listens.")
    port: int = Field(8000, ge=1, le=65535, description="Port on which `serve` listens.")
    public_url: str = Field(
        "http://127.0.0.1:8000", description="Address under which clients reach the bank; the issuer of its tokens."
    )
    trusted_proxies: str | None = Field(
        None,
        description="Proxies whose X-Forwarded-For tells where a request comes from, as 10.0.0.0/8, 192.0.2.7. Unset: nobody's.",
    )
    signing_key_file: Path | None = Field(
        None, description="PEM file with the P-256 key that signs tokens. Unset: made once in the data folder."
    )
    secrets_key_file: Path | None = Field(
        None, description="File with the keys that seal stored secrets. Unset: made once in the data folder."
    )
    log_keys_dir: Path | None = Field(
        None,
        description="Folder with the keys that sign the cities' logs, a file each. Unset: made once in the data folder.",
    )
    token_minutes: int = Field(15, ge=1, le=60, description="Life of an access token, in minutes.")
    log_format: Literal["console", "json"] = Field("console", description="Form of the log lines.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    work_inside: bool = Field(True, description="Whether `serve` also works the background jobs.")
    pool_size: int = Field(10, ge=1, le=200, description="Database connections for writing, and as many for reading.")
    body_bytes_max: int = Field(4 * 2**20, ge=1024, description="Largest request body, in bytes.")
    file_bytes_max: int = Field(
        64 * 2**20, ge=1024, description="Largest file of voucher codes, or of a bank about a payout run, in bytes."
    )
    import_bytes_max: int = Field(2 * 2**30, ge=1024, description="Largest file of readings, in bytes as it is sent.")
    import_keep_days: int = Field(
        30, ge=1, description="Days for which the original of an import is kept after its end."
    )
    imports_waiting_max: int = Field(
        20, ge=1, description="Imports of one city that may wait or run; more are sent away."
    )
    debt_points_max: int = Field(
        50_000,
        ge=0,
        description="Largest debt that a correction may leave a household with, in points. What is beyond it is not asked back.",
    )
    chunk_households: int = Field(20_000, ge=1, description="Households that a settlement computes at a time.")
    bucket_households: int = Field(10_000, ge=1, description="Households that a settlement posts in one transaction.")

    language: Literal["en", "ko"] = Field(
        "en", description="Language of notifications where a household has chosen none and its program asks for none."
    )
    smtp_host: str | None = Field(None, description="Server that takes e-mail. Unset: none is sent, and none waits.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of that server.")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "starttls",
        description="How the connection to it is made safe: not at all, by STARTTLS, or by TLS from the start.",
    )
    smtp_user: str | None = Field(None, description="Name with which the bank signs in there. Unset: it does not.")
    smtp_password_file: Path | None = Field(None, description="File with the password that belongs to it.")
    mail_from: str | None = Field(
        None, description="Sender of e-mail, as Carbon Bank <bank@city.example>. Needed where a server is named."
    )
    webhooks_allow_loopback: bool = Field(
        False,
        description="Whether webhooks and requests to witnesses may go to this machine itself, also over plain HTTP: for tests and "
        "the demo.",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str | None) -> str | None:
        read_networks(text or "")
        return text

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=_file())


def _file() -> Path:
    return Path(os.environ.get("CARBON_BANK_CONFIG", "carbon-bank.toml"))


def read_settings(**given: object) -> Settings:
    """The settings of this process. Named arguments (from the command line) win over environment and file.

    Raises: InvalidInput `settings.invalid`, naming each setting, its value and the limit; `settings.file`.
    """
    if "CARBON_BANK_CONFIG" in os.environ and not _file().is_file():
        raise InvalidInput("settings.file", f"CARBON_BANK_CONFIG names {_file()}, and there is no such file.")
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            "settings.file", f"{_file()} cannot be read as TOML: {error}. See docs/settings.md."
        ) from None
    except ValidationError as error:
        faults = [
            Fault(
                f"CARBON_BANK_{'_'.join(map(str, each['loc'])).upper()}",
                "settings.invalid",
                each["msg"],
                str(each["input"])[:80],
            )
            for each in error.errors()
        ]
        told = "; ".join(f"{fault.where} is '{fault.value}': {fault.message}" for fault in faults)
        raise InvalidInput(
            "settings.invalid", f"The settings do not hold: {told}. See docs/settings.md.", faults=faults
        ) from None
