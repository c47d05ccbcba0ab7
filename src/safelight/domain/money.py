"""What a run costs. Money is counted in micro-dollars: whole numbers, no rounding that adds up."""

from __future__ import annotations

H100_MICRO_USD_PER_SECOND = 1525
"""$0.001525 a second: what the provider's pricing page says FLUX fine-tunes run on (R-104)."""


def dollars(amount: int) -> str:
    """Micro-dollars as people read them."""
    return f"${amount / 1e6:.2f}"


def micro_usd(predict_seconds: float | None) -> int | None:
    """The price of *predict_seconds* of an H100, in micro-dollars; None: not known yet."""
    if predict_seconds is None:
        return None
    return round(predict_seconds * H100_MICRO_USD_PER_SECOND)
