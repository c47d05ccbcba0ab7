"""Files that are not what they seem, by kind: whatever they are, what reads them stands.

``make mutants`` runs all kinds: KIND=archives for one, COUNT= files of each, SEED= others, ONLY= the one
with this number. A kind is a file here with `mutant(source)`, which makes the bytes of one, and
`read(path)`, which reads them as the product does and says in a word how that ended; an error with a name
of ours is an ending too. A new kind needs a file and a line in `KINDS`.
"""

from __future__ import annotations

KINDS: dict[str, tuple[str, int]] = {
    "photos": ("photos, through the eye", 10_000),
    "archives": ("the trainer's tar", 2_000),
    "weights": ("safetensors", 2_000),
    "configs": ("the trainer's config.yaml", 2_000),
    "zips": ("a dataset's zip and manifest, as the audit reads them", 2_000),
    "logs": ("a run's log", 2_000),
    "captions": ("caption files", 2_000),
    "webhooks": ("headers and bodies of webhooks", 2_000),
}
"""What each kind is, and how many of it are read by default."""
