#!/usr/bin/env python
"""Send a file of readings to the bank and see it through: for a utility's own machines. Needs Python 3.11 and httpx.

    CARBON_BANK_CLIENT_ID=... CARBON_BANK_CLIENT_SECRET=... \\
        python scripts/push_readings.py FILE --url https://bank.example [--format csv] [--mapping NAME] [--rejections OUT.csv]

Safe to run again at any time, for any reason: the bank knows a file by its SHA-256, so the same file is one import, and
what was recorded once is recorded once. Connections that break, answers that the bank is busy (429) and errors of its side
(5xx) are tried again with growing pauses, up to --patience seconds. Then the import is followed to its end and its counts are
checked: the digest is this file's, and every row is accounted for.

Exit code: 0 every row was taken; 1 some were refused (--rejections has them) or wait for their meter; 2 the file was not sent,
or the import failed; 3 the bank's counts do not add up.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

BLOCK = 2**20
PAUSE_FIRST, PAUSE_MAX = 1.0, 60.0
LOOK_AGAIN_FIRST, LOOK_AGAIN_MAX = 0.5, 10.0
MEDIA_TYPES = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "espi": "application/atom+xml",
}
SUFFIXES = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet", ".xml": "espi"}
COUNTED = ("accepted", "duplicate", "revised", "refused", "quarantined")
FINISHED = {"done", "failed", "cancelled"}


class GaveUp(Exception):
    """The file was not sent, or its end not seen."""


class Sender:
    """One connection to the bank, signed in, that does not lose heart."""

    def __init__(self, url: str, client_id: str, client_secret: str, patience: float) -> None:
        self._client = httpx.Client(base_url=url, timeout=httpx.Timeout(60, read=300))
        self._credentials = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
        self._give_up_at = time.monotonic() + patience
        self._token: str | None = None

    def ask(
        self, method: str, path: str, content: Callable[[], Iterator[bytes]] | None = None, **more: Any
    ) -> httpx.Response:
        """Ask until there is an answer that is not about this moment. `content`: makes the body anew for each try."""
        pause, was_renewed = PAUSE_FIRST, False
        while True:
            try:
                answer = self._ask_once(method, path, content, **more)
                if answer.status_code == 401 and self._token is not None and not was_renewed:
                    self._token, was_renewed = None, True  # it ran out: sign in again, once
                    continue
                if answer.status_code not in {408, 429} and answer.status_code < 500:
                    return answer
                why = f"{answer.status_code} {_said(answer)}"
                wait = _asked_to_wait(answer) or pause
            except httpx.TransportError as error:
                why, wait = f"{type(error).__name__}: {error}", pause
            wait *= random.uniform(0.8, 1.2)  # noqa: S311  (many senders that failed together should not come back together)
            if time.monotonic() + wait > self._give_up_at:
                raise GaveUp(f"gave up: {why}")
            _tell(f"{why}; again in {wait:.0f} s")
            time.sleep(wait)
            pause = min(2 * pause, PAUSE_MAX)

    def _ask_once(
        self, method: str, path: str, content: Callable[[], Iterator[bytes]] | None, **more: Any
    ) -> httpx.Response:
        if self._token is None:
            answer = self._client.post("/v1/token", data=self._credentials)
            if answer.status_code != 200:
                if answer.status_code < 500 and answer.status_code != 429:
                    raise GaveUp(f"the bank does not sign this client in: {_said(answer)}")
                return answer
            self._token = answer.json()["access_token"]
        headers = {**more.pop("headers", {}), "Authorization": f"Bearer {self._token}"}
        return self._client.request(method, path, content=content and content(), headers=headers, **more)

    def save(self, path: str, to: Path) -> None:
        """Stream an answer into a file, which is there whole or not at all."""
        part = to.with_name(to.name + ".part")
        with self._client.stream("GET", path, headers={"Authorization": f"Bearer {self._token}"}) as answer:
            if answer.status_code != 200:
                raise GaveUp(f"the refused rows cannot be fetched: {answer.status_code}")
            with part.open("wb") as file:
                for block in answer.iter_bytes():
                    file.write(block)
        part.replace(to)


def _said(answer: httpx.Response) -> str:
    """The sentences of a refusal."""
    try:
        problem = answer.json()
        faults = [f"{fault['where']}: {fault['message']}" for fault in problem.get("faults", [])[:10]]
        return " ".join([str(problem["detail"]), *faults])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _asked_to_wait(answer: httpx.Response) -> float | None:
    after = answer.headers.get("Retry-After", "")
    return float(after) if after.isdigit() else None


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def _format(path: Path, named: str | None) -> str:
    if named is not None:
        return named
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in SUFFIXES:
        raise GaveUp(f"{path}: its name does not tell its format. Say --format {'|'.join(MEDIA_TYPES)}.")
    return SUFFIXES[suffix]


def send(sender: Sender, path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Upload the file, or find that the bank has it. Returns the import."""
    form = _format(path, options.format)
    asked = {"name": path.name, "mapping": options.mapping, "sum_to": options.sum_to, "strict": options.strict or None}
    answer = sender.ask(
        "POST",
        "/v1/imports",
        content=lambda: _blocks(path),
        params={name: value for name, value in asked.items() if value is not None},
        headers={"Content-Type": MEDIA_TYPES[form], "Content-Length": str(path.stat().st_size)},
    )
    if answer.status_code not in {200, 202}:
        raise GaveUp(f"{path} was refused: {_said(answer)}")
    _tell(f"{path}: {'sent' if answer.status_code == 202 else 'the bank has it already'}, import {answer.json()['id']}")
    made: dict[str, Any] = answer.json()
    return made


def follow(sender: Sender, made: dict[str, Any]) -> dict[str, Any]:
    """Look at an import until it has ended."""
    pause = LOOK_AGAIN_FIRST
    while made["state"] not in FINISHED:
        time.sleep(pause)
        pause = min(1.5 * pause, LOOK_AGAIN_MAX)
        answer = sender.ask("GET", f"/v1/imports/{made['id']}")
        if answer.status_code != 200:
            raise GaveUp(f"import {made['id']} cannot be followed: {_said(answer)}")
        made = answer.json()
        _tell(f"  {made['state']}: {made['rows']:,} rows")
    return made


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--url", default=os.environ.get("CARBON_BANK_URL"), help="of the bank; or CARBON_BANK_URL")
    parser.add_argument("--format", choices=sorted(MEDIA_TYPES), help="left out: by the file's name")
    parser.add_argument("--mapping", help="name of a saved mapping of columns")
    parser.add_argument("--sum-to", choices=["day", "month"], help="what intervals finer than a day become")
    parser.add_argument("--strict", action="store_true", help="refuse what would be noted and read")
    parser.add_argument(
        "--rejections", type=Path, help="write refused rows here, with code and message, to mend and send"
    )
    parser.add_argument("--patience", type=float, default=3600, help="seconds to keep trying (3600)")
    options = parser.parse_args(arguments)
    try:
        identity = [os.environ.get(name) for name in ("CARBON_BANK_CLIENT_ID", "CARBON_BANK_CLIENT_SECRET")]
        if options.url is None or None in identity:
            raise GaveUp("say --url, and set CARBON_BANK_CLIENT_ID and CARBON_BANK_CLIENT_SECRET")
        if not options.file.is_file():
            raise GaveUp(f"there is no file {options.file}")
        sender = Sender(options.url, str(identity[0]), str(identity[1]), options.patience)
        made = follow(sender, send(sender, options.file, options))
        if made["refused"] and options.rejections is not None:
            sender.save(f"/v1/imports/{made['id']}/rejections", options.rejections)
            _tell(f"  refused rows: {options.rejections}")
    except GaveUp as error:
        _tell(f"push_readings: {error}")
        return 2
    return judge(made, _digest(options.file))


def judge(made: dict[str, Any], digest: str) -> int:
    """Tell how an import ended. Returns the exit code."""
    print(", ".join(f"{made[name]:,} {name}" for name in COUNTED) + f" of {made['rows']:,} rows.")
    if made["digest"] != digest:
        _tell(f"push_readings: the bank read a file with digest {made['digest']}, and this one has {digest}")
        return 3
    if made["state"] != "done":
        _tell(f"push_readings: the import {made['state']}: {made.get('failure') or 'no reason told'}")
        return 2
    if sum(made[name] for name in COUNTED) != made["rows"]:
        _tell("push_readings: the counts do not add up to the rows; tell the operator of the bank")
        return 3
    return 1 if made["refused"] or made["quarantined"] else 0


if __name__ == "__main__":
    sys.exit(main())
