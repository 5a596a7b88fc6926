"""Crash tests: a settlement is posted while clients spend, and the worker, the database or both are killed in the middle.

server.py   a PostgreSQL of the test's own, which it may kill
city.py     the city whose settlement waits to be posted
clients.py  households that hold, spend, take back and redeem, and send again what was not answered
poster.py   the worker as a process: through the job queue, or straight away
rounds.py   one round after the other (`scripts/crashtest`)
sealing.py  the sealer killed at every step, PostgreSQL in mid sealing (`scripts/crashtest --seal`)
proof.py    what must be true after a round
"""
