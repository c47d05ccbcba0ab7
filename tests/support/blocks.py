"""The fenced blocks of our pages: their language, their text, the mark above them and the answer below."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    str(path.relative_to(ROOT))
    for path in (
        *(
            ROOT / name
            for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "infra/README.md")
        ),
        *sorted((ROOT / "docs").glob("*.md")),
    )
)
"""Every page for people, by its path from the root."""
SHELL = ("sh", "bash", "shell", "console")
_FENCE = re.compile(r"^( *)```([\w-]*)\s*$")
_MARK = re.compile(r"^\s*<!--\s*(not run|refused):\s*(.*?)\s*-->\s*$")


@dataclass
class Block:
    """A fenced block.

    `mark` and `why` come from a comment in the line above it: `<!-- not run: a reason -->` or
    `<!-- refused: 422 -->`. `answer` is the json block that follows a shell block at once: what it prints.
    """

    page: str
    line: int
    language: str
    lines: list[str] = field(default_factory=list)
    mark: str = ""
    why: str = ""
    answer: str = ""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    found: list[Block] = []
    open: Block | None = None
    before = ""
    last = 0
    for number, line in enumerate((ROOT / page).read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if open is None and fence:
            open = Block(page, number, fence[2])
            if mark := _MARK.match(before):
                open.mark, open.why = mark[1], mark[2]
            if open.language == "json" and found and last == number - 1:
                found[-1].answer = "-"  # filled in when the block is closed
        elif open is not None and fence and not fence[2]:
            if found and found[-1].answer == "-":
                found[-1].answer = open.text
            found.append(open)
            open, last = None, number
        elif open is not None:
            open.lines.append(line)
        before = line if open is None else ""
    assert open is None, f"{page}: a block is not closed"
    return found


def shell_blocks(page: str) -> list[Block]:
    """Those that hold commands."""
    return [block for block in blocks_of(page) if block.language in SHELL]
