"""Many small broken files for each reader: whatever the bytes, nothing but values or a refusal may come of them.

    .venv/bin/python -m tests.rewards.fuzz [--inputs N] [--seed S]

Good files are changed in a few places, the same way for the same seed. Prints for each reader how many were read and refused.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable
from random import Random

from carbon_bank.foundation.errors import Fault, Refusal
from carbon_bank.rewards.bank_return import BankReturn, read_csv, read_pain002
from carbon_bank.rewards.voucher_file import VoucherFile, read_vouchers
from tests.rewards.test_bank_return import one, reason, report

Read = BankReturn | VoucherFile
READERS: dict[str, tuple[Callable[[bytes, str], Read], list[bytes]]] = {
    "pain002": (
        read_pain002,
        [
            report(one("R-1", "ACSC"), one("R-2", "RJCT", reason("AC04", "계좌 해지")), one("R-3", "PDNG")),
            report(
                one("R-1", "ACSC"), group="<GrpSts>PART</GrpSts>", block=f"<PmtInfSts>RJCT</PmtInfSts>{reason('X')}"
            ),
        ],
    ),
    "return_csv": (
        read_csv,
        ['end_to_end_id,status,reason\r\nR-1,paid,\r\nR-2,refused,"계좌, 해지"\r\nR-3,returned,x\r\n'.encode()],
    ),
    "vouchers": (
        read_vouchers,
        ['\ufeffcode,expires_on\r\nA-1,2026-12-31\r\n"x,""y",\r\n커피,2027-02-28\r\n'.encode(), b"code\nA\nB\n"],
    ),
}
BITS = [
    b"\0",
    b"\n",
    b"\r",
    b'"',
    b",",
    b"<",
    b"&",
    b"&#0;",
    b"\xff",
    b"9" * 40,
    b"<!DOCTYPE a>",
    b"<![CDATA[",
    b"\xef\xbb\xbf",
]


VALUES = [b"ACSC", b"RJCT", b"PDNG", b"WHAT", b"R-1", b"R-2", b"", b" ", b"&#7;", "가".encode() * 40]


def reworded(random: Random, good: list[bytes]) -> bytes:
    """A good XML file, its elements still in pairs: values exchanged, elements doubled, renamed or left out."""
    content = random.choice(good)
    for _ in range(random.choice([1, 2, 4])):
        found = random.choice(list(re.finditer(rb"<(\w+)>([^<]*)</\1>|<(TxInfAndSts|StsRsnInf|Rsn)>.*?</\3>", content)))
        whole, kind = found[0], random.random()
        if kind < 0.5 and found[1]:
            changed_to = b"<%s>%s</%s>" % (found[1], random.choice(VALUES), found[1])
        else:
            changed_to = random.choice(
                [whole * 2, b"", b"<a>" + whole + b"</a>", whole.replace(b"OrgnlEndToEndId", b"StsId")]
            )
        content = content[: found.start()] + changed_to + content[found.end() :]
    return content


def changed(random: Random, good: list[bytes]) -> bytes:
    """One of the good files, broken in a few places."""
    content = bytearray(random.choice(good))
    for _ in range(random.choice([1, 1, 2, 4, 12])):
        place, kind = random.randrange(len(content) + 1), random.random()
        if kind < 0.35 and place < len(content):
            content[place] = random.randrange(256)
        elif kind < 0.5:
            del content[place : place + random.randint(1, 40)]
        elif kind < 0.75:
            other = random.randrange(len(content) + 1)
            content[place:place] = content[other : other + random.randint(1, 300)]
        else:
            content[place:place] = random.choice(BITS)
    return bytes(content)


def fuzz(name: str, inputs: int, seed: int) -> Counter[str]:
    """How many inputs were read whole, read with faults, or refused by which code. Anything else is raised."""
    read, good = READERS[name]
    random, came = Random(seed), Counter[str]()
    for _ in range(inputs):
        is_xml = good[0].startswith(b"<") and random.random() < 0.5
        content = reworded(random, good) if is_xml else changed(random, good)
        try:
            found = read(content, name)
        except Refusal as refusal:
            came[refusal.code] += 1
            continue
        assert len(found.faults) <= found.fault_count and all(isinstance(fault, Fault) for fault in found.faults), (
            content
        )
        kept = found.marks if isinstance(found, BankReturn) else found.vouchers
        assert len(set(kept)) == len(kept), content
        came["with faults" if found.faults else "whole"] += 1
    return came


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for name in READERS:
        start = time.perf_counter()
        came = fuzz(name, asked.inputs, asked.seed)
        told = ", ".join(f"{count} {what}" for what, count in came.most_common())
        print(f"{name}: {asked.inputs} inputs in {time.perf_counter() - start:.0f} s: {told}")


if __name__ == "__main__":
    main()
