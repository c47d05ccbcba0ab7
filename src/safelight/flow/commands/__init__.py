"""What a person or a producer may ask for. Every door calls these, and only these, to change things.

A command takes an open transaction (so that a producer's own transaction will do) and the `Actor`
who asks; it writes the rows, the events and the jobs that follow, and returns what it made.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


def actor_name(owner: str, key_id: UUID | str) -> str:
    """What stands in the events of whoever came with this key: after a leak one has to tell which it was."""
    return f"api:{owner}:{str(key_id)[-12:]}"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: `owner_id` bounds what they can see and change, `name` stands in the events.

    What a worker does has no asker: there, and where only the name is needed, it is handed on as `by`.
    The database's own `actor` is that name, as its column is called.
    """

    owner_id: UUID
    name: str
