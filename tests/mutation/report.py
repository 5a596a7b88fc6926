"""What `scripts/mutation` prints: each mutant that lived, as the lines it changes, and the counts of each file."""

from __future__ import annotations

from collections import Counter

from mutmut.__main__ import collect_source_file_mutation_data
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

COLUMNS = ("killed", "survived", "timeout", "no tests", "not checked")


def changed_lines(diff: str) -> list[str]:
    return [line for line in diff.splitlines() if line[:1] in ("-", "+") and line[:3] not in ("---", "+++")]


def main() -> None:
    mutants, _ = collect_source_file_mutation_data(mutant_names=[])
    counts: dict[str, Counter[str]] = {}
    for data, name, exit_code in sorted(mutants, key=lambda mutant: str(mutant[0].path)):
        status = status_by_exit_code[exit_code]
        counts.setdefault(str(data.path), Counter())[status] += 1
        if status not in ("killed", "not checked"):
            print(f"{name}: {status}", *changed_lines(get_diff_for_mutant(name, path=data.path)), "", sep="\n")
    total = sum(counts.values(), Counter())
    rest = sorted(set(total) - set(COLUMNS))
    for path, count in [*counts.items(), ("together", total)]:
        told = [f"{count[column]:5} {column}" for column in (*COLUMNS, *rest) if total[column]]
        print(f"{path:40}", *told, f"{sum(count.values()):6} in all")


main()
