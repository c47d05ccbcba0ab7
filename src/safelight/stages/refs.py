"""The name that a photo had where it is stored; it is a `SetPhoto` everywhere now."""

from safelight.domain.members import SetPhoto as PhotoRef

__all__ = ["PhotoRef"]
