"""`audit verify`: every promise that the books, the settlements and the log make, one line each."""
