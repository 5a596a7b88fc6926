"""Two rounds of what `scripts/crashtest` does at length: killed in mid settlement, the bank comes back with books that hold."""

from __future__ import annotations

from tests.crash.rounds import Kill, Round, ground

ROUNDS = (
    (True, [Kill("worker", 0.3, 0.0)]),
    (False, [Kill("worker and server", 0.5, 0.01)]),
)


def test_a_settlement_and_what_clients_were_told_survive_the_death_of_the_worker_and_of_postgresql() -> None:
    with ground(households=20) as (server, city):
        for number, (by_queue, plan) in enumerate(ROUNDS, start=1):
            one = Round(city, server, number, f"suite/{number}")
            one.by_queue, one.plan = by_queue, plan
            one.run()
            assert one.faults == []
            assert len(one.kills) == len(plan)
            assert sum(each.is_done for each in one.sent) > 20
