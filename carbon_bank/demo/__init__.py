"""The demo: a made-up city, so that a fresh installation has something to show.

Gwangju, where the Carbon Bank began, with its five districts, made-up households, three made-up utilities and thirty
months of readings. Nobody in it is real: numbers in place of names, utilities that say "Demo".

- `shapes.py` holds the figures: how many people live how, what they use in which month, how often a meter is not read.
- `city.py` draws the city from them.

What always holds:
- the same arguments give the same city, in any number of chunks;
- a household is drawn with the block of 500 that it lies in, and with nothing else: household 17 is the same in a city
  of 2,000 and of 200,000;
- what comes out is input: rows as a city and its utilities would send them, text where a file has text. It goes
  through the same doors as anybody's rows and has no rights of its own.

Floating point is fine here and nowhere else: these figures are invented, then rounded to the decimals that a bill has,
before the bank sees them. Source of each figure, and the mix of outcomes that they lead to: docs/demo-city.md.
"""
