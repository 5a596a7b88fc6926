"""Some rounds of what `scripts/crashtest` does at length: killed in mid settlement or sealing, the bank comes back whole."""

from __future__ import annotations

from tests.crash import sealing
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


def test_a_log_survives_the_death_of_postgresql_in_the_middle_of_sealing() -> None:
    with ground(households=4) as (server, city):
        steps = sealing.fill(server, city)
        for template, kind in ((sealing.FRESH, "server"), (sealing.BEGUN, "backend")):
            one = sealing.Round(city, server, f"suite_{kind}", template, kind, steps[template] // 2).run()
            assert one.faults == [] and one.killed and one.lost
