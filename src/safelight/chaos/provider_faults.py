"""What the provider does wrong in a chaos run: sets of the emulator's faults, one in force at a time."""

from __future__ import annotations

from typing import Any

PROVIDER: dict[str, list[dict[str, Any]]] = {
    "create": [
        {"on": on, "do": do, "chance": chance, **more}
        for on in ("create_training", "create_prediction")
        for do, chance, more in (
            ("drop", 0.15, {}),
            ("error", 0.1, {}),
            ("refuse", 0.05, {"status": 500}),
            ("html", 0.1, {}),
            ("throttle", 0.15, {"retry_after": 2}),
            ("throttle", 0.1, {"bare": True}),
            ("slow", 0.05, {"seconds": 7}),
            ("hang", 0.05, {"seconds": 7}),
        )
    ],
    "read": [
        {"on": on, "do": do, "chance": chance, **more}
        for on in ("get", "list")
        for do, chance, more in (
            ("refuse", 0.1, {"status": 503}),
            ("html", 0.1, {}),
            ("null", 0.1, {}),
            ("drop", 0.1, {}),
            ("throttle", 0.1, {"retry_after": 2}),
            ("hang", 0.03, {"seconds": 7}),
        )
    ]
    + [
        {"on": "get", "do": "backwards", "chance": 0.2},
        {"on": "get", "do": "missing", "chance": 0.1},
        {"on": "cancel", "do": "error", "chance": 0.5},
    ],
    "webhook": [
        {"on": "webhook", "do": "lose", "chance": 0.3},
        {"on": "webhook", "do": "double", "chance": 0.2},
        {"on": "webhook", "do": "early", "chance": 0.2},
        {"on": "webhook", "do": "late", "chance": 0.2, "seconds": 4},
        {"on": "webhook", "do": "forge", "chance": 0.3},
        {"on": "webhook", "do": "stale", "chance": 0.5},
    ],
    "run": [
        {"on": "run", "do": "fail", "chance": 0.1},
        {"on": "run", "do": "abort", "chance": 0.1},
        {"on": "run", "do": "vanish", "chance": 0.05},
    ],
    "delivery": [
        {"on": "delivery", "do": "partial", "chance": 0.4},
        {"on": "delivery", "do": "refuse", "status": 503, "chance": 0.2},
        {"on": "delivery", "do": "missing", "chance": 0.2},
        {"on": "delivery", "do": "hang", "seconds": 7, "chance": 0.1},
    ],
    "credit": [
        {"on": "create_training", "do": "credit", "chance": 0.7},
        {"on": "create_prediction", "do": "credit", "chance": 0.4},
    ],
}
"""Before a create is accepted: throttled, 500, 502, a hang, no credit. After: the answer is lost, late, or
an error in its place. `missing` of a delivery is a link that has expired."""

LIST_DELAY_SECONDS = 30.0
"""How far the provider's lists lag when they do; an unknown is waited for longer (`world.SETTINGS`)."""
LIST_DELAYED_SECONDS = 60.0
"""For how long they lag; other faults strike meanwhile."""
