"""Bank accounts: IBANs, other accounts with their bank, BICs; checked by their form, and masked for display.

Reading gives the value or a Fault, which never repeats the number: it goes into answers and logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from carbon_bank.foundation.errors import Fault

_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 "
    "FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 "
    "LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 "
    "SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _LENGTHS.split()}
"""Characters of an IBAN by country. Source: SWIFT, IBAN Registry, release 101. The Republic of Korea has none."""

ACCOUNT_DIGITS_MIN, ACCOUNT_DIGITS_MAX = 6, 20
TEXT_MAX = 60
"""More than any account has, spaces and hyphens included; longer text is not looked at."""
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{8,30}")
_BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
_BANK_CODE = re.compile(r"[0-9]{2,11}")
_SYSTEM = re.compile(r"[A-Z]{5}")
_BETWEEN = re.compile(r"[\s-]")
_SHOWN = 4


@dataclass(frozen=True)
class Iban:
    """An account by its IBAN, without spaces; `bic` where the bank is known."""

    number: str
    bic: str | None = None


@dataclass(frozen=True)
class LocalAccount:
    """An account by its number at a member of a national clearing system, as in Korea bank 004.

    Args: system: code of the clearing system in ISO's external list (`USABA`), where it has one; Korea's has none.
    """

    bank_code: str
    number: str
    system: str | None = None


BankAccount = Iban | LocalAccount


def read_iban(text: str, where: str, bic: str | None = None) -> Iban | Fault:
    """An IBAN as people write it, with spaces or not, in either case.

    Faults: `rewards.iban` (form), `rewards.iban_country`, `rewards.iban_length`, `rewards.iban_check`, `rewards.bic`.
    Source: ISO 13616-1; the check is ISO 7064 MOD 97-10, whose check digits are 02 to 98.
    """
    number = _plain(text)
    if not _IBAN.fullmatch(number):
        return Fault(where, "rewards.iban", "This is no IBAN: two letters, two digits, then letters and digits.")
    length = IBAN_LENGTHS.get(number[:2])
    if length is None:
        message = f"Accounts in {number[:2]} have no IBAN that is known here. Give bank code and account number."
        return Fault(where, "rewards.iban_country", message)
    if len(number) != length:
        message = f"An IBAN of {number[:2]} has {length} characters; this has {len(number)}. Look for one too many or missing."
        return Fault(where, "rewards.iban_length", message)
    if not "02" <= number[2:4] <= "98" or _mod_97(number) != 1:
        message = (
            "The check digits of the IBAN do not agree with the rest: there is a slip in it. Compare it with the card."
        )
        return Fault(where, "rewards.iban_check", message)
    if bic is None:
        return Iban(number)
    read = read_bic(bic, where)
    return read if isinstance(read, Fault) else Iban(number, read)


def read_local_account(bank_code: str, number: str, where: str, system: str | None = None) -> LocalAccount | Fault:
    """An account where there is no IBAN. Spaces and hyphens in the number are passed over, leading zeros kept.

    Faults: `rewards.bank_code`, `rewards.account_number`.
    """
    bank, account = _plain(bank_code), _plain(number)
    if not _BANK_CODE.fullmatch(bank) or (system is not None and not _SYSTEM.fullmatch(system)):
        return Fault(where, "rewards.bank_code", "A bank code has 2 to 11 digits (a clearing system, 5 letters).")
    if not re.fullmatch(rf"[0-9]{{{ACCOUNT_DIGITS_MIN},{ACCOUNT_DIGITS_MAX}}}", account):
        message = f"An account number has {ACCOUNT_DIGITS_MIN} to {ACCOUNT_DIGITS_MAX} digits, and nothing but digits."
        return Fault(where, "rewards.account_number", message)
    return LocalAccount(bank, account, system)


def read_bic(text: str, where: str) -> str | Fault:
    """A BIC of 8 or 11 characters, in capitals. Fault: `rewards.bic`.

    Source: ISO 9362:2022, as the type BICFIDec2014Identifier of ISO 20022 has it.
    """
    bic = _plain(text)
    if not _BIC.fullmatch(bic):
        message = (
            "A BIC has 8 or 11 characters: 4 of the bank, 2 letters of the country, 2 of the place, 3 of the branch."
        )
        return Fault(where, "rewards.bic", message)
    return bic


def check_account(account: BankAccount, where: str) -> Fault | None:
    """Whether a value that was kept is one that reading would give, too."""
    if isinstance(account, Iban):
        read: BankAccount | Fault = read_iban(account.number, where, account.bic)
    else:
        read = read_local_account(account.bank_code, account.number, where, account.system)
    if isinstance(read, Fault):
        return read
    return (
        None if read == account else Fault(where, "rewards.account", "The account has spaces or small letters in it.")
    )


def masked(account: BankAccount) -> str:
    """An account as it is shown: its last four characters. How long it is does not show."""
    return f"••••{account.number[-_SHOWN:]}"


def _plain(text: str) -> str:
    plain = _BETWEEN.sub("", text) if len(text) <= TEXT_MAX else ""
    return plain.upper() if plain.isascii() else ""


def _mod_97(iban: str) -> int:
    return int("".join(str(int(each, 36)) for each in iban[4:] + iban[:4])) % 97
