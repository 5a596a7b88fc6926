"""The transparency log of each city, as it is sealed and served. Nothing in it is ever changed but a tile that is not full yet:
it grows, and a trigger sees to it that what stood in it stays.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, text
from sqlmodel import Field, SQLModel

from carbon_bank.foundation.tables import TRANSACTION, Moment, big, instant, reference, small, words


class Log(SQLModel, table=True):
    """`secret`: of it are derived the keys of what stands in the log and is no household's."""

    __tablename__ = "log"
    __table_args__ = (CheckConstraint("octet_length(secret) = 32", name="secret"),)

    city_id: int = reference("city.id", primary_key=True)
    origin: str = words(unique=True)
    secret: bytes = Field(sa_type=LargeBinary, repr=False)
    begun_at: Moment = instant()


class LogSecret(SQLModel, table=True):
    """Of it are derived the keys of a household's leaves, from the leaf `from_leaf` on. Erasing it makes them meaningless, and leaves
    the tree whole; should the account move once more, another secret opens what comes then, and nothing from before.
    """

    __tablename__ = "log_secret"
    __table_args__ = (
        CheckConstraint("octet_length(secret) = 32", name="secret"),
        CheckConstraint("from_leaf >= 0", name="from_leaf"),
    )

    household_id: int = big(primary_key=True)
    secret: bytes = Field(sa_type=LargeBinary, repr=False)
    from_leaf: int = big()


class LogCheckpoint(SQLModel, table=True):
    """Each checkpoint that was ever signed, and how far in acts and journals it goes: the next one goes on behind that.

    `server`: PostgreSQL's identifier of the server that it was sealed on, on which the transactions' numbers go on.
    """

    __tablename__ = "log_checkpoint"
    __table_args__ = (CheckConstraint("size > 0 AND octet_length(root) = 32", name="tree"),)

    city_id: int = reference("log.city_id", primary_key=True)
    size: int = big(primary_key=True)
    root: bytes = Field(sa_type=LargeBinary)
    note: str = words()
    act_made_in: str = Field(sa_type=TRANSACTION)
    act_id: int = big()
    journal_made_in: str = Field(sa_type=TRANSACTION)
    journal_id: UUID
    sealed_at: Moment = instant()
    server: int | None = big(default=None)


class LogTile(SQLModel, table=True):
    """`level` -1: a bundle of entries. Of a tile that is not full the widest form is kept; narrower ones are its beginnings."""

    __tablename__ = "log_tile"
    __table_args__ = (
        CheckConstraint("level BETWEEN -1 AND 7 AND place >= 0 AND width BETWEEN 1 AND 256", name="name"),
    )

    city_id: int = reference("log.city_id", primary_key=True)
    level: int = small(primary_key=True)
    place: int = big(primary_key=True)
    width: int = small()
    data: bytes = Field(sa_type=LargeBinary)


class LogLeaf(SQLModel, table=True):
    """What a leaf is about: an act of the trail (`part` above 0: a month's close that came with it), or one household's side of
    a journal. By the hundred thousand at a time, from rows that are never removed: a foreign key would check each once more.
    """

    __tablename__ = "log_leaf"
    __table_args__ = (
        CheckConstraint(
            "(act_id IS NULL) = (part IS NULL) AND (act_id IS NULL) = (journal_id IS NOT NULL) "
            "AND (household_id IS NULL) = (journal_id IS NULL)",
            name="subject",
        ),
        Index("log_leaf_act_key", "act_id", "part", unique=True, postgresql_where=text("act_id IS NOT NULL")),
        Index(
            "log_leaf_posting_key",
            "household_id",
            "journal_id",
            unique=True,
            postgresql_where=text("journal_id IS NOT NULL"),
        ),
    )

    city_id: int = big(primary_key=True)
    leaf: int = big(primary_key=True)
    act_id: int | None = big(default=None)
    part: int | None = small(default=None)
    journal_id: UUID | None = None
    household_id: int | None = big(default=None)
