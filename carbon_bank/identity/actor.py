"""The one who acts, as every service sees them."""

from __future__ import annotations

from dataclasses import dataclass

from carbon_bank.foundation.errors import Forbidden, NotFound
from carbon_bank.identity.permissions import FOR_THEMSELVES, ROLE_PERMISSIONS, Permission, Role


@dataclass(frozen=True)
class Actor:
    """An identity that holds, with its roles and what it acts for.

    Args: subject: `person:12`, `client:7` or `system:worker`. city_id: null only for admin and system.
          household_id, utility_id: what a household's person or a utility's client acts for.
    """

    subject: str
    roles: frozenset[Role] = frozenset()
    city_id: int | None = None
    household_id: int | None = None
    utility_id: int | None = None

    @property
    def permissions(self) -> frozenset[Permission]:
        return frozenset().union(*(ROLE_PERMISSIONS[role] for role in self.roles))

    @property
    def role_names(self) -> str | None:
        """As the trail tells them; null for the bank's own programs."""
        return ",".join(sorted(self.roles)) or None

    @property
    def acts_for_others(self) -> bool:
        """Whether what they look at may be somebody else's: the city's staff, and who runs the machine."""
        return not self.roles or not self.roles <= FOR_THEMSELVES

    @property
    def person_id(self) -> int | None:
        return self._number_of("person")

    @property
    def client_id(self) -> int | None:
        return self._number_of("client")

    def _number_of(self, wanted: str) -> int | None:
        kind, _, number = self.subject.partition(":")
        return int(number) if kind == wanted else None

    def require(self, permission: Permission) -> None:
        """Raises: Forbidden `identity.forbidden` (403), naming the permission and the roles that have it."""
        if permission not in self.permissions:
            able = sorted(role for role, held in ROLE_PERMISSIONS.items() if permission in held)
            raise Forbidden(
                "identity.forbidden",
                f"This needs the permission {permission}, which {', '.join(able)} have and you do not.",
                {"permission": permission.value, "roles": able},
            )

    def of_city(self) -> int:
        """The city that this actor acts in.

        Raises: Forbidden `identity.no_city` (403).
        """
        if self.city_id is None:
            raise Forbidden(
                "identity.no_city",
                "This is done within a city, and you act for the whole deployment. Sign in as its staff.",
            )
        return self.city_id

    def of_household(self) -> int:
        """The household that this actor acts for.

        Raises: NotFound `identity.no_household` (404).
        """
        if self.household_id is None:
            raise NotFound(
                "identity.no_household", "No household is linked to you. Ask the city's operator to link it."
            )
        return self.household_id

    def of_utility(self) -> int:
        """The utility that this actor acts for.

        Raises: NotFound `identity.no_utility` (404).
        """
        if self.utility_id is None:
            raise NotFound(
                "identity.no_utility", "No utility is linked to this client. Ask the city's operator to link it."
            )
        return self.utility_id

    def of_client(self) -> int:
        """The client that this actor is: a utility's or a partner's machine.

        Raises: NotFound `identity.no_client` (404).
        """
        if self.client_id is None:
            raise NotFound(
                "identity.no_client", "You act as a person. This is done by a utility's or a partner's client."
            )
        return self.client_id


WORKER = Actor("system:worker")
