"""The promises under fire: real processes under load, faults drawn from a seed, then I1 to I7 checked
against Postgres, the object store and the provider's own ledger. `safelight chaos`."""
