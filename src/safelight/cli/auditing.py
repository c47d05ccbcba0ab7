"""`safelight audit`: every version back to what it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safelight.cli.console import Json, err, out, say_json, system
from safelight.cli.naming import subject_id_of

if TYPE_CHECKING:
    from safelight.flow.audit import SubjectAudit

COLORS = {"ok": "green", "broken": "red", "differs": "yellow", "cannot verify": "yellow"}


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Look")(audit)


def audit(
    subject: Annotated[str, typer.Argument(help="The subject's name or id.")],
    *,
    read: Annotated[
        bool, typer.Option(help="Read every object and hash it; --no-read: rows only.")
    ] = True,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page.")] = None,
    as_json: Json = False,
) -> None:
    """Trace every version back to its photos, parameters, weights and approver.

    Each photo, zip, manifest, weights file and preview in the store is read and hashed; where a link
    is missing, 'cannot verify' is said. Exit 1 where something was changed or is gone.
    """
    from safelight.domain.audit_page import audit_page
    from safelight.flow.audit import audit_subject

    with system() as (cx, actor):
        found = audit_subject(cx, actor, subject_id_of(cx, actor, subject), read=read)
    if html is not None:
        html.write_text(audit_page(found.to_dict()), "utf-8")
        err.print(f"Written: {html}", soft_wrap=True)
    if as_json:
        say_json(found.to_dict())
    elif html is None:
        _show(found)
    if found.verdict == "broken":
        raise typer.Exit(1)


def _show(found: SubjectAudit) -> None:
    if not found.versions:
        out.print(f"{found.subject.name} has no versions.")
    for one in found.versions:
        row = one.row
        head = f"Version {row['number']} ({row['state']}, {row['origin']})  {row['version_id']}"
        out.print(head, style="bold", soft_wrap=True)
        for link in one.links:
            color = COLORS.get(link.state)
            out.print(f"  {link.state:<13} ", style=color, end="")
            out.print(f"{link.name:<10} {link.says}", soft_wrap=True)
            if link.state == "broken" and link.expected:
                out.print(f"{'':27}expected {link.expected}", soft_wrap=True)
                out.print(f"{'':27}found    {link.found or 'nothing'}", soft_wrap=True)
