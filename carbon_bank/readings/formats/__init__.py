"""Formats: what utilities already have, read into one frame. One module for each format; pure, a chunk at a time.

The words: a *source* is a file that can be opened again and again, bounded in bytes; a *chunk* is some of its rows in
normal form; a *finding* says what is odd about the file, and how it was read; a *mapping* says what a utility's own
columns mean.

What always holds:
- every row of a file comes out once: in order, or with the code of what is wrong with it, or passed over by its mapping;
- the same file gives the same chunks each time, so that an import goes on where it was cut off;
- memory does not grow with the file; what would make it grow is refused, with its limit;
- text stays text until the intake judges it; sums of finer intervals are exact; nothing guesses a unit.
"""
