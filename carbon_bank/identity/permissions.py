"""What may be done, and by which role. One enum, one table, both kept in order."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    ACCOUNT_CLOSE = "account.close"
    ADJUSTMENT_APPROVE = "adjustment.approve"
    ADJUSTMENT_PREPARE = "adjustment.prepare"
    AUDIT_EXPORT = "audit.export"
    AUDIT_EXPORT_NUMBERS = "audit.export_numbers"
    AUDIT_READ = "audit.read"
    AWARD_READ = "award.read"
    AWARD_REVIEW = "award.review"
    BUDGET_APPROVE = "budget.approve"
    BUDGET_PREPARE = "budget.prepare"
    CITY_READ = "city.read"
    CITY_WRITE = "city.write"
    INBOX_READ = "inbox.read"
    LEDGER_READ = "ledger.read"
    OBJECTION_ANSWER = "objection.answer"
    OWN_READ = "own.read"
    OWN_WRITE = "own.write"
    PAYOUT_APPROVE = "payout.approve"
    PAYOUT_PREPARE = "payout.prepare"
    PEOPLE_WRITE = "people.write"
    POLICY_APPROVE = "policy.approve"
    POLICY_PREPARE = "policy.prepare"
    POLICY_READ = "policy.read"
    PRIVACY_ERASE = "privacy.erase"
    READINGS_READ = "readings.read"
    READINGS_REVIEW = "readings.review"
    READINGS_WRITE = "readings.write"
    REDEMPTION_FULFIL = "redemption.fulfil"
    REDEMPTION_READ = "redemption.read"
    REDEMPTION_REVIEW = "redemption.review"
    REGISTRY_READ = "registry.read"
    REGISTRY_WRITE = "registry.write"
    REWARDS_APPROVE = "rewards.approve"
    REWARDS_READ = "rewards.read"
    REWARDS_WRITE = "rewards.write"
    SETTLEMENT_APPROVE = "settlement.approve"
    SETTLEMENT_POST = "settlement.post"
    SETTLEMENT_PREPARE = "settlement.prepare"
    SETTLEMENT_READ = "settlement.read"
    WEBHOOKS_READ = "webhooks.read"
    WEBHOOKS_REPLAY = "webhooks.replay"
    WEBHOOKS_WRITE = "webhooks.write"


class Role(StrEnum):
    ADMIN = "admin"
    APPROVER = "approver"
    AUDITOR = "auditor"
    HOUSEHOLD = "household"
    OPERATOR = "operator"
    PARTNER = "partner"
    PRIVACY_OFFICER = "privacy_officer"
    UTILITY = "utility"


P = Permission

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset({P.CITY_READ, P.CITY_WRITE, P.PEOPLE_WRITE}),
    Role.APPROVER: frozenset(
        {
            P.ADJUSTMENT_APPROVE,
            P.AWARD_READ,
            P.AWARD_REVIEW,
            P.BUDGET_APPROVE,
            P.CITY_READ,
            P.LEDGER_READ,
            P.PAYOUT_APPROVE,
            P.POLICY_APPROVE,
            P.POLICY_READ,
            P.REDEMPTION_READ,
            P.REGISTRY_READ,
            P.REWARDS_APPROVE,
            P.REWARDS_READ,
            P.SETTLEMENT_APPROVE,
            P.SETTLEMENT_READ,
        }
    ),
    Role.AUDITOR: frozenset(
        {
            P.AUDIT_EXPORT,
            P.AUDIT_READ,
            P.AWARD_READ,
            P.CITY_READ,
            P.INBOX_READ,
            P.LEDGER_READ,
            P.POLICY_READ,
            P.READINGS_READ,
            P.REDEMPTION_READ,
            P.REGISTRY_READ,
            P.REWARDS_READ,
            P.SETTLEMENT_READ,
            P.WEBHOOKS_READ,
        }
    ),
    Role.HOUSEHOLD: frozenset(
        {
            P.AWARD_READ,
            P.OWN_READ,
            P.OWN_WRITE,
            P.REWARDS_READ,
        }
    ),
    Role.OPERATOR: frozenset(
        {
            P.ACCOUNT_CLOSE,
            P.ADJUSTMENT_PREPARE,
            P.AWARD_READ,
            P.AWARD_REVIEW,
            P.BUDGET_PREPARE,
            P.CITY_READ,
            P.INBOX_READ,
            P.LEDGER_READ,
            P.OBJECTION_ANSWER,
            P.PAYOUT_PREPARE,
            P.PEOPLE_WRITE,
            P.POLICY_PREPARE,
            P.POLICY_READ,
            P.READINGS_READ,
            P.READINGS_REVIEW,
            P.REDEMPTION_READ,
            P.REDEMPTION_REVIEW,
            P.REGISTRY_READ,
            P.REGISTRY_WRITE,
            P.REWARDS_READ,
            P.REWARDS_WRITE,
            P.SETTLEMENT_POST,
            P.SETTLEMENT_PREPARE,
            P.SETTLEMENT_READ,
            P.WEBHOOKS_READ,
            P.WEBHOOKS_REPLAY,
        }
    ),
    Role.PARTNER: frozenset(
        {
            P.REDEMPTION_FULFIL,
            P.REWARDS_READ,
            P.WEBHOOKS_READ,
            P.WEBHOOKS_REPLAY,
            P.WEBHOOKS_WRITE,
        }
    ),
    Role.PRIVACY_OFFICER: frozenset(
        {
            P.AUDIT_EXPORT_NUMBERS,
            P.CITY_READ,
            P.PRIVACY_ERASE,
            P.REWARDS_READ,
        }
    ),
    Role.UTILITY: frozenset(
        {
            P.READINGS_READ,
            P.READINGS_WRITE,
            P.REWARDS_READ,
            P.WEBHOOKS_READ,
            P.WEBHOOKS_REPLAY,
            P.WEBHOOKS_WRITE,
        }
    ),
}

STAFF = frozenset({Role.APPROVER, Role.AUDITOR, Role.OPERATOR, Role.PRIVACY_OFFICER})
FOR_THEMSELVES = frozenset({Role.HOUSEHOLD, Role.PARTNER, Role.UTILITY})
"""Roles whose bearers see what is their own and nothing else."""
