"""Identity: who is at the door, and what they may do.

A *person* (household member or city staff) signs in with a login and a password; a *client* (a utility's or a partner's
machine) with OAuth 2.0 client credentials. Both get a token of a few minutes that carries their roles, their city and the
household or utility they act for. A role is a set of permissions (`permissions.py`, one table); each route names the
permission it needs (`access.allowed`).

What always holds:
- one identity acts within one city; only `admin` acts for the deployment, and no admin can post points;
- a secret is stored as an Argon2id hash and never logged or shown again;
- an unknown login and a wrong password get the same answer after the same work.
"""
