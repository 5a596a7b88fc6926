"""The registry: cities, their districts and utilities, households, meters, and who holds which meter from when.

The words: a *household* is known by its number, unique in its city; a *meter* is one service point of one utility for one
commodity, known by what a bill carries: (utility, commodity, customer number, meter number where one customer has several);
a *tenure* is a household's claim on a meter for the days [starts_on, ends_on), open where ends_on is unknown.

What always holds:
- everything below a city belongs to that city, by composite foreign keys: one city never sees another's rows;
- a household's tenures of one meter do not overlap; two households on one meter are possible and are found at settlement;
- a household has its points account from the moment that it exists;
- an import is taken whole or not at all, and the same file again changes nothing.
"""
