"""The audit as one self-contained HTML page: no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safelight.domain.texts import on_page

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #8884; }
code { font-size: .82em; overflow-wrap: anywhere; }
.s { font-weight: 600; white-space: nowrap; }
.ok { color: #1a7f37; }
.broken { color: #cf222e; } .differs, .cannot { color: #9a6700; } .not { color: #777; }
details { margin: .6rem 0; } pre { overflow-x: auto; font-size: .8em; }
"""


def audit_page(audit: Mapping[str, Any]) -> str:
    """*audit* (`SubjectAudit.to_dict`) as a page."""
    name = on_page(audit["subject"]["name"])
    how = "every object read and hashed" if audit["read"] else "rows only: no object was read"
    versions = "".join(_version(version) for version in audit["versions"])
    none = "" if audit["versions"] else "<p>It has no versions.</p>"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Audit of {name}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>Audit of {name}: {_state(audit['verdict'])}</h1>"
        f"<p>{on_page(audit['at'])}, {how}.</p>{none}{versions}</body></html>\n"
    )


def _version(version: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{on_page(link['name'])}</td><td>{_state(link['state'])}</td>"
        f"<td>{on_page(link['says'])}{_hashes(link)}</td></tr>"
        for link in version["links"]
    )
    photos = "".join(
        f"<tr><td>{on_page(photo['name'])}</td><td><code>{on_page(photo['sha256'] or '')}</code></td></tr>"
        for photo in version["photos"]
    )
    parameters = _parameters(version["parameters"])
    return (
        f"<h2>Version {version['number']} ({on_page(version['state'])}, {on_page(version['origin'])}): "
        f"{_state(version['verdict'])}</h2><p><code>{on_page(version['id'])}</code></p>"
        f"<table><thead><tr><th>link</th><th>state</th><th>what was found</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{parameters}"
        + (
            f"<details><summary>{len(version['photos'])} photos</summary>"
            f"<table><tbody>{photos}</tbody></table></details>"
            if photos
            else ""
        )
    )


def _parameters(columns: Mapping[str, Any]) -> str:
    asked = (columns["asked"] or {}).get("parameters") or {}
    sent = (columns["sent"] or {}).get("input") or {}
    names = sorted({*asked, *sent})
    if not names:
        return ""
    rows = "".join(
        f"<tr><td>{on_page(name)}</td><td>{_cell(asked.get(name))}</td>"
        f"<td>{_cell(sent.get(name), 'not sent')}</td></tr>"
        for name in names
    )
    return (
        "<details><summary>Parameters</summary><table><thead><tr><th>input</th><th>asked</th>"
        f"<th>sent</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _cell(value: Any, absent: str = "") -> str:
    return on_page(absent if value is None else str(value))


def _hashes(link: Mapping[str, Any]) -> str:
    if link["state"] == "ok" or link["expected"] is None:
        return ""
    found = f"<br>found <code>{on_page(link['found'])}</code>" if link["found"] else ""
    return f"<br>expected <code>{on_page(link['expected'])}</code>{found}"


def _state(state: str) -> str:
    return f'<span class="s {state.split(maxsplit=1)[0]}">{on_page(state)}</span>'
