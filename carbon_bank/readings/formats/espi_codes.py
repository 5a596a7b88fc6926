"""Green Button's codes, and what each means here. Source: ESPI 4.0 (REQ.21), espi.xsd."""

from __future__ import annotations

from carbon_bank.foundation.units import Commodity, Quality

KINDS = {"0": Commodity.ELECTRICITY, "1": Commodity.GAS, "2": Commodity.WATER}
"""ServiceCategory.kind."""
COMMODITIES = {
    "1": Commodity.ELECTRICITY,  # secondary metered
    "2": Commodity.ELECTRICITY,  # primary metered
    "7": Commodity.GAS,
    "9": Commodity.WATER,  # potable
}
"""ReadingType.commodity."""
UNITS = {
    "31": "J", "42": "m3", "72": "Wh", "119": "ft3", "120": "ft3", "128": "gal", "130": "gal_imp", "132": "Btu",
    "134": "L", "156": "L", "157": "L", "166": "m3", "167": "m3", "169": "therm",
}  # fmt: skip
"""ReadingType.uom -> unit. Compensated and uncompensated volumes are the same volume here."""
OF_COMMODITY = {
    Commodity.ELECTRICITY: {"31", "72"},
    Commodity.GAS: set(UNITS),
    Commodity.WATER: {"42", "119", "120", "128", "130", "134", "156", "157", "166", "167"},
}
ONLY_GAS = {"132", "169"}
"""Units that tell the commodity where nothing else does."""
VOLUMES = OF_COMMODITY[Commodity.WATER]
KIND_ENERGY, KIND_VOLUME, KIND_POWER = "12", "58", "37"
"""ReadingType.kind."""
DELTAS = {None, "0", "4"}
REGISTERS = {"1", "3", "9"}  # bulk quantity, cumulative, summation
"""ReadingType.accumulationBehaviour: what was used in each interval, or what a register showed."""
FORWARD = {None, "0", "1"}
"""ReadingType.flowDirection: what was used. Others are passed over: fed in, or net of it."""
QUALITIES = {
    "0": Quality.ACTUAL, "7": Quality.CORRECTED, "8": Quality.ESTIMATED, "9": Quality.ESTIMATED, "14": Quality.ACTUAL,
    "17": Quality.ACTUAL, "18": Quality.ACTUAL, "19": Quality.ACTUAL,
}  # fmt: skip
"""ReadingQuality.quality; any other is taken for an estimate, with a finding."""

NO_TYPE, OTHER, UNIT, NOT_QUANTITY, TIME, VALUE, OFF, FRACTION, TARIFF, TARIFF_MISSING, TARIFFS_PASSED, SUMMARY = (
    "formats.espi_no_reading_type", "formats.espi_other_commodity", "formats.espi_unit", "formats.espi_not_a_quantity",
    "formats.espi_time", "formats.espi_value", "formats.espi_off_midnight", "formats.espi_fraction", "formats.espi_tou",
    "formats.espi_tariff_missing", "formats.espi_tariffs", "formats.espi_summary_differs",
)  # fmt: skip
SENTENCES: dict[str, str] = {
    NO_TYPE: (
        "The block belongs to no MeterReading with a UsagePoint and a ReadingType in this feed, so its unit is not known. Ask for the "
        "whole feed of the subscription (the batch), not for its interval blocks alone."
    ),
    OTHER: "The ReadingType is of another commodity than the UsagePoint. Ask whoever made the feed which of the two is right.",
    UNIT: (
        "The ReadingType has a unit (uom) that is no quantity of a commodity, or nothing tells of which commodity it is. Read are "
        + ", ".join(f"{code} ({unit})" for code, unit in UNITS.items())
        + "."
    ),
    NOT_QUANTITY: "The ReadingType is of power or of moments, not of what was used. Ask for energy or volume, as deltas or registers.",
    TIME: "The reading has no timePeriod with a start and a duration in whole seconds.",
    VALUE: "The value is no whole number, or has more than nine decimal places by its powerOfTenMultiplier.",
    OFF: "The reading begins or ends some hours off midnight. A tolerant reader takes the nearest midnight.",
    FRACTION: "The start is no whole second. A tolerant reader leaves the fraction out.",
    TARIFF: "The tou is no whole number of 16 bits, so of which tariff the reading is, nothing says.",
    TARIFF_MISSING: (
        "The UsagePoint has several tariffs (tou) for the same time, and not all of them are told here. A part is not taken for the "
        "whole. Send all of them, or the total; times in which there were other tariffs in a feed of their own."
    ),
}
NOTES: dict[str, str] = {
    OFF: "Readings of a day and more begin or end off midnight at their place, by up to 12 hours. The nearest midnight was taken.",
    FRACTION: "Starts have fractions of a second, which were left out.",
    "formats.espi_no_kind": "A UsagePoint has no ServiceCategory kind. Its commodity was taken from the ReadingType.",
    "formats.espi_kind": "A ReadingType says that it is of energy and has a unit of volume. The unit was taken.",
    "formats.espi_unused_reading_type": (
        "A ReadingType is used by no MeterReading. It was passed over; where it is of another commodity than the UsagePoint, ask "
        "whoever made the feed what it is for."
    ),
    "formats.espi_flow": "Readings of what was fed in, or net of it, were passed over: they are not what was used.",
    TARIFFS_PASSED: "Readings of tariffs (tou) were passed over: their UsagePoint has the total of the same time, and it counts.",
    "formats.espi_quality": "Readings of a questionable, derived or unknown quality were taken for estimates.",
    SUMMARY: (
        "A UsageSummary says another overallConsumptionLastPeriod than the readings of its billingPeriod add up to. The readings were "
        "taken; ask whoever made the feed which of the two is right."
    ),
    "formats.espi_clock": "The feed's LocalTimeParameters cannot be read. The days are those of the city's time zone.",
}
