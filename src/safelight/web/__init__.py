"""The HTTP door for producers. `safelight.web.app` makes and serves it."""
