"""What can be wrong with intervals, and what was odd about them."""

from __future__ import annotations

INCOMPLETE_DAY, INCOMPLETE_MONTH = "formats.incomplete_day", "formats.incomplete_month"
TWO_UNITS, CONTRADICTION, OVERLAP = "formats.two_units", "formats.contradiction", "formats.intervals_overlap"
BECAME_REGISTER = "formats.became_register"
SENTENCES: dict[str, str] = {
    INCOMPLETE_DAY: (
        "The intervals of this day do not cover it whole: some are missing, or have no value. A part is not taken for the whole. "
        "Send the day again when it is complete."
    ),
    INCOMPLETE_MONTH: "Not every day of this month is covered whole. Send the month again when it is complete.",
    TWO_UNITS: (
        "The same interval is given in two units, so it is told twice. Keep the rows of one unit, with `where` in the mapping."
    ),
    CONTRADICTION: "The same interval has two values, and nothing says which counts. Send the one that holds.",
    OVERLAP: "Two intervals of this day overlap, so something would count twice. Send each moment once.",
    BECAME_REGISTER: (
        "From here on the column does not tell what was used in each interval: it only grows, as a register does. Send the use, or "
        "map the column as a register."
    ),
}
NOTES = {
    "formats.repeated_interval": "The interval stands there more than once, with the same value. It counts once.",
    "formats.restated_interval": "The interval stands there more than once, with different values. The one issued last counts.",
}
