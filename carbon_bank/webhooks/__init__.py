"""Webhooks: telling partners and utilities what happened, and reading what partners call back with.

A *message* tells of an *event* and is written in the same transaction as the act (the outbox): no act without its message,
no message of an act that was rolled back. A client's *endpoint* is an address it registered, with the events it wants and a
secret; a *delivery* is one message on its way to one endpoint. A job claims what is due, sends it, and records the outcome.

What always holds:
- at least once: a worker that died between sending and recording sends again, under the same webhook-id;
- no network call inside a transaction, and none to an address that is not public, was not checked, or comes by a redirect;
- a client is told only events that its role may see, and nothing personal stands in a message;
- a secret is stored sealed, shown once, and erased with its endpoint.

Source: Standard Webhooks 1.0.0, https://www.standardwebhooks.com.
"""
