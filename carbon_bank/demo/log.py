"""The demo city's log: sealed under a key of its own, and verified."""

from __future__ import annotations

from carbon_bank import worker
from carbon_bank.audit.verify import service as verify_service
from carbon_bank.demo.city import CODE
from carbon_bank.demo.stages import ACTOR, Demo, check
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings


def own_keys(settings: Settings) -> Settings:
    """The settings with a folder of keys for the demo alone, empty: each demo begins a log of its own, under a key of its own."""
    folder = settings.data_dir / "demo" / "log-keys"
    for file in folder.glob("*"):
        file.unlink()
    return settings.model_copy(update={"log_keys_dir": folder})


async def seal_log(demo: Demo) -> str:
    """Seal all that was done, and prove books, settlements and log."""
    keys = worker.log_keys_of(demo.settings)
    keys.make(CODE)
    async with demo.database.read() as session:
        city = await registry.find_city(session, CODE)
    assert city.id is not None
    size = await worker.seal_city(demo.database, keys, city.id, CODE)
    promises = 0
    async with demo.database.read() as session:
        async for each in verify_service.verify(session, ACTOR, keys.verifying):
            check(not each.faults, f"{each.promise}: {each.faults[:1]}")
            promises += 1
    demo.log_key = str(keys.verifying(CODE)[0])
    return f"{size:,} leaves sealed, all {promises} promises of books and log verified"
