"""Networks and maps that several parts share."""
