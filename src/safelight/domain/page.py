"""The report on a set as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safelight.domain.composition import NAMES
from safelight.domain.measured import WHOLE_BODY, Framing
from safelight.domain.texts import on_page

VERDICTS = {
    "ok": ("Ready to train", "ok"),
    "warn": ("Can be trained; look at these first", "warn"),
    "block": ("Not to be trained like this", "block"),
}

_STYLE = """
:root{color-scheme:light dark;--ink:#1c1c1f;--faint:#6b6b75;--paper:#fafafa;--card:#fff;--line:#dcdce2;
--ok:#1f7a43;--warn:#a15c00;--block:#b3261e;--bar:#9db4d6;--goal:#35588f}
@media(prefers-color-scheme:dark){:root{--ink:#ececf0;--faint:#9b9ba6;--paper:#18181b;--card:#222226;
--line:#3a3a42;--ok:#5cc98a;--warn:#f0b04a;--block:#ff8a80;--bar:#4f6a94;--goal:#a9c4f0}}
*{box-sizing:border-box}body{margin:0 auto;max-width:72rem;padding:1.5rem;background:var(--paper);
color:var(--ink);font:16px/1.5 system-ui,sans-serif}h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;
margin:2rem 0 .6rem}.verdict{font-size:1.2rem;font-weight:600}.ok{color:var(--ok)}.warn{color:var(--warn)}
.block{color:var(--block)}.note{color:var(--faint)}.faint{color:var(--faint)}ul{padding-left:1.2rem;margin:0}
li{margin:.25rem 0}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem
.25rem 0;font-weight:400}th{color:var(--faint)}td.n{text-align:right;white-space:nowrap}
.track{position:relative;height:1rem;background:var(--line);border-radius:.2rem;min-width:8rem}
.bar{position:absolute;inset:0 auto 0 0;background:var(--bar);border-radius:.2rem}
.old{position:absolute;top:-.1rem;bottom:-.1rem;width:.15rem;background:var(--faint)}
.goal{position:absolute;top:-.2rem;bottom:-.2rem;border:.12rem solid var(--goal);border-radius:.2rem}
.photos{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:1rem}
.photo{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.6rem;
overflow-wrap:anywhere}.photo.out{opacity:.85;border-style:dashed}.pics{display:flex;gap:.4rem;
align-items:flex-start}figure{margin:0;flex:1 1 0;min-width:0}svg{display:block;width:100%;
max-height:13rem;border-radius:.2rem}figcaption{font-size:.75rem;color:var(--faint);line-height:1.3}
.crop{fill:none;stroke:#ffd23f;stroke-width:3;vector-effect:non-scaling-stroke}
.name{font-weight:600;margin:.4rem 0 0}.small{font-size:.85rem}
.none{height:6rem;width:100%;display:grid;place-items:center;background:var(--line);line-height:1.4}
@media(max-width:40rem){body{padding:1rem}.track{min-width:3rem}td,th{padding-right:.3rem}
.small,table{font-size:.85rem}}
"""


def page(
    report: Mapping[str, Any], thumbnails: Mapping[str, str], *, title: str, made: str = ""
) -> str:
    """*report* (of `report_of`) as a page. *thumbnails*: data URIs by photo id; *made*: by whom."""
    words, colour = VERDICTS[report["verdict"]]
    counts, limits = report["counts"], report["limits"]
    ideal = f"{limits['ideal'][0]} to {limits['ideal'][1]}"
    summary = (
        f"<p>{counts['kept']} of {counts['given']} photos are used: {counts['rejected']} cannot be, "
        f"{counts['duplicates']} are duplicates, {counts['not_chosen']} are more than are taken. The "
        f"profile {on_page(report['profile'])} needs {limits['block']}; {ideal} are best. "
        f"Judged as photos of a {report['kind']}.</p>"
    )
    parts = [
        f"<h1>{on_page(title)}</h1>",
        f'<p class="verdict {colour}">{words}</p>',
        summary,
        _exposures(report),
        _to_add(report),
        _set_findings(report),
        _retrain(report),
        _composition(report),
        _photos(report, thumbnails),
        f'<p class="faint small">{on_page(made)}</p>' if made else "",
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{on_page(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _exposures(report: Mapping[str, Any]) -> str:
    seen = report.get("exposures")
    return f"<p>Each image would be seen {seen:g} times.</p>" if seen else ""


def _to_add(report: Mapping[str, Any]) -> str:
    wanted = report.get("to_add") or []
    if not wanted:
        return ""
    items = "".join(f"<li>{on_page(item)}</li>" for item in wanted)
    return f"<h2>What to add</h2><ul>{items}</ul>"


def _set_findings(report: Mapping[str, Any]) -> str:
    found = [item for item in report["findings"] if item["photo"] is None]
    return f"<h2>The set</h2>{_list(found)}" if found else ""


def _list(findings: list[Any]) -> str:
    order = {"block": 0, "warn": 1, "note": 2}
    rows = []
    for item in sorted(findings, key=lambda item: order[item["level"]]):
        trust = "" if item["trust"] == "measured" else f" <em>({item['trust']})</em>"
        about = on_page(f"limit {item['limit']}: {item['source']}") if item.get("source") else ""
        title = f' title="{about}"' if about else ""
        rows.append(
            f"<li{title}><b class='{item['level']}'>{item['level']}</b> "
            f"{on_page(item['message'])}{trust}</li>"
        )
    return f"<ul>{''.join(rows)}</ul>"


def _retrain(report: Mapping[str, Any]) -> str:
    guard = report.get("retrain")
    if not guard:
        return ""
    before, after = guard["before"], guard["after"]
    union = guard["union"]
    names = ", ".join(on_page(item["name"]) for item in union["add"][:12])
    more = f" and {len(union['add']) - 12} more" if len(union["add"]) > 12 else ""
    offer = (
        f"<p>The union of both sets has {union['photos']} photos; it adds {names}{more}.</p>"
        if union["add"]
        else ""
    )
    return (
        f"<h2>Against version {guard['version']}</h2><p>{before['photos']} photos then, "
        f"{after['photos']} now; {guard['in_common']:.0%} of the old ones are in it.</p>{offer}"
    )


def _composition(report: Mapping[str, Any]) -> str:
    mix = report["composition"]
    after, before = mix["after"], mix["before"]
    if not after["measured"]:
        return "<h2>Composition</h2><p>Not measured: the photos' framing is not known.</p>"
    rows = [
        _bar(NAMES[Framing(name)], part, before["framing"][name])
        for name, part in after["framing"].items()
        if part["count"] or part["least"] is not None or before["framing"][name]["count"]
    ]
    tags = [
        _bar(name.replace("-", " "), part, before["tags"][name])
        for name, part in after["tags"].items()
        if part["count"] or part["least"] is not None
    ]
    head = "<tr><th></th><th>photos</th><th>share</th><th></th><th>asked for</th><th>add</th></tr>"
    angles = ", ".join(f"{count} {side}" for side, count in after["angles"].items())
    source = f"<p class='faint small'>Target: {on_page(mix['source'])}</p>" if mix["source"] else ""
    return (
        "<h2>Composition</h2><table>"
        f"{head}{''.join(rows)}{''.join(tags)}</table>"
        f"<p>Faces: {angles}. <span class='faint'>The bar is what is used, the line what was given, "
        f"the frame what the profile asks for.</span></p>{source}"
    )


def _bar(name: str, part: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    goal, asked = "", ""
    if part["least"] is not None:
        left, width = 100 * part["least"], 100 * (part["most"] - part["least"])
        goal = f'<span class="goal" style="left:{left:.1f}%;width:{max(width, 1):.1f}%"></span>'
        asked = f"{part['least']:.0%} to {part['most']:.0%}"
    add = part.get("add") or ""
    old = f'<span class="old" style="left:{100 * before["share"]:.1f}%"></span>'
    return (
        f"<tr><td>{on_page(name)}</td><td class='n'>{part['count']}</td>"
        f"<td class='n'>{part['share']:.0%}</td><td><div class='track'>"
        f'<span class="bar" style="width:{100 * part["share"]:.1f}%"></span>{old}{goal}</div></td>'
        f"<td>{asked}</td><td class='n'>{add}</td></tr>"
    )


def _photos(report: Mapping[str, Any], thumbnails: Mapping[str, str]) -> str:
    by_photo: dict[str, list[Any]] = {}
    for item in report["findings"]:
        if item["photo_id"] is not None:
            by_photo.setdefault(item["photo_id"], []).append(item)
    cards = [
        _card(number, photo, thumbnails.get(photo["id"]), by_photo.get(photo["id"], []))
        for number, photo in enumerate(sorted(report["photos"], key=_place))
    ]
    return f"<h2>The photos</h2><div class='photos'>{''.join(cards)}</div>"


def _place(photo: Mapping[str, Any]) -> tuple[bool, bool]:
    """What is left out comes first, then what is to be looked at."""
    return photo["used"], not photo["findings"]


def _card(number: int, photo: Mapping[str, Any], thumbnail: str | None, findings: list[Any]) -> str:
    worst = {item["level"] for item in findings}
    if not photo["used"]:
        said, colour = f"left out: {(photo['left_out'] or '').replace('-', ' ')}", "block"
    elif "warn" in worst:
        said, colour = "used; look at it", "warn"
    else:
        said, colour = "used", "ok"
    caption = photo.get("caption")
    parts = [
        f'<div class="pics">{_picture(number, photo, thumbnail)}</div>',
        f"<p class='name'>{on_page(photo['name'])}</p>",
        f"<p class='small {colour}' style='margin:0'>{on_page(said)}</p>",
        f"<p class='small faint' style='margin:0'>{on_page(_about(photo))}</p>",
        f"<p class='small' style='margin:.3rem 0'>“{on_page(caption)}”</p>" if caption else "",
        f"<div class='small'>{_list(findings)}</div>" if findings else "",
    ]
    return f"<div class='photo{'' if photo['used'] else ' out'}'>{''.join(parts)}</div>"


def _picture(number: int, photo: Mapping[str, Any], thumbnail: str | None) -> str:
    """The photo with its crop framed, and each file that is made of it beside it. The picture is in the
    page once: what is cut out of it refers to it."""
    facts = photo["facts"]
    # Without a size there is nothing to draw it by: never inspected, or not decodable then.
    if thumbnail is None or not facts or not facts["width"] or not facts["height"]:
        return '<div class="none faint">no picture</div>'
    width, height = facts["width"], facts["height"]
    made = [(photo["crop"], "trained on")] if photo["used"] and photo.get("crop") else []
    frame = ""
    if made:
        left, top, right, bottom = photo["crop"]["box"]
        frame = (
            f'<rect class="crop" x="{left}" y="{top}" width="{right - left}" '
            f'height="{bottom - top}"/>'
        )
    if photo.get("derived_crop"):
        made.append((photo["derived_crop"], "and a part of it"))
    name = f"photo{number}"
    after = "".join(_cut(crop, name, said) for crop, said in made)
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{on_page(photo["name"])}"><image id="{name}" width="{width}" '
        f'height="{height}" href="{on_page(thumbnail)}"/>{frame}</svg>'
        f"<figcaption>given</figcaption></figure>{after}"
    )


def _cut(crop: Mapping[str, Any], name: str, said: str) -> str:
    left, top, right, bottom = crop["box"]
    wide, tall = crop["file"]
    return (
        f'<figure><svg viewBox="{left} {top} {right - left} {bottom - top}" role="img" '
        f'aria-label="{said}"><use href="#{name}"/></svg>'
        f"<figcaption>{said}, {wide} × {tall}</figcaption></figure>"
    )


def _about(photo: Mapping[str, Any]) -> str:
    facts = photo["facts"]
    if not facts or not facts["decodable"]:
        return ""
    said = [f"{facts['width']} × {facts['height']}"]
    measured = facts.get("measured") or {}
    if measured.get("framing"):
        said.append(NAMES[Framing(measured["framing"])])
    if measured.get("framing") in WHOLE_BODY and measured.get("head_to_toe") is not None:
        said.append("head to toe" if measured["head_to_toe"] else "not head to toe")
    faces = measured.get("faces")
    if faces:
        said.append(str(faces[0].get("angle") or "face").replace("-", " "))
    elif faces is not None:
        said.append("no face")
    said += [tag.replace("-", " ") for tag in photo["tags"]]
    return ", ".join(said)
