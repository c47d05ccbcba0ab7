"""Files that are not what they seem, by kind: what reads them stands."""
