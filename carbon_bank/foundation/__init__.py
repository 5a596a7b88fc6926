"""What every room stands on and no room's business: units, months, refusals, the database, pages, logs.

Knows no room: nothing here imports anything of the bank but its own neighbours in this folder.
"""
