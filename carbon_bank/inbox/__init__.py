"""The inbox: what the bank tells a household, and e-mail that carries it further.

A *notification* is a kind, a subject and facts; its sentences are made when it is read, in the language of the reader. A
*mail* is one notification on its way to one person of the household.

What always holds (a key, checks and a trigger of PostgreSQL):
- a household is told of one subject by one kind once, whatever is run again;
- a notification is written in the transaction of the act that it tells of, and never changed afterwards;
- facts are whole numbers, days, periods and codes of a closed list, and nothing that a sentence does not tell;
- no e-mail is sent inside a transaction, and what was not recorded as sent is sent again under the same Message-ID.
"""
