"""What stands in a prompt and was meant for a language model: personas, instructions, its small talk.

A prompt is often what a language model wrote, with what it was told still around it. Here such parts are
found, clause by clause: at the beginning of one, after a full stop, a colon or a comma, in quotes or
brackets, in other letters that look alike. What the picture is to show is left, also where it says 'you'
('you are standing on a pier', a sign that reads "You are here").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

Range = tuple[int, int]

_ALIKE = str.maketrans(
    "аеорсухіѕјԁԛԝһӏАВЕКМНОРСТУХІЅЈαεινορτυχκΑΒΕΖΗΙΚΜΝΟΡΤΥΧıǀ‘’“”„«»‐‑",
    'aeopcyxisjdqwhlABEKMHOPCTYXISJaeivoptuxkABEZHIKMNOPTYXil\'\'"""""--',
)
"""Letters of other alphabets, and signs, that read as ours."""


def plain_letters(text: str) -> tuple[str, list[int]]:
    """*text* as it reads (wide, accented and look-alike letters as ASCII), and where each letter stood."""
    if text.isascii():
        return text, list(range(len(text) + 1))
    letters: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for letter in unicodedata.normalize("NFKD", char).translate(_ALIKE):
            if not unicodedata.combining(letter):
                letters.append(" " if letter.isspace() else letter)
                places.append(place)
    return "".join(letters), [*places, len(text)]


_ENDS = re.compile(r"""[.!?]+(?=[\s"')\]]|$)|[:;,](?=\s|$)|\s-+\s|[—–|(){}\[\]"]+""")
"""Between two clauses; a comma counts, since prompts are lists."""

_TEXT = re.compile(
    r"\b(?:says?|saying|said|reads?|reading|written|writes?|writing|spells?|spelling|text|words?|letters"
    r"|lettering|sign|signs|poster|banner|label|labelled|labeled|title|titled|caption|captioned|slogan|logo"
    r"|graffiti|tattoo|inscription|inscribed|engraved|printed|message|phrase|quote|billboard|shirt|mug|book"
    r"|cover|card|note|neon)\b\W*(?:\w+\W+){0,3}$",
    re.IGNORECASE,
)
"""What stands before words that the picture is to show."""

_LEAD = (
    r"(?:(?:and|but|so|now|also|then|please|hello|hi|today|(?:remember|note|imagine|pretend)(?:\s+that)?)"
    r",?\s+)*"
)
_YOU = r"you(?:'re|\s+are|\s+will\s+be|\s+act\s+as)(?:\s+now)?"
_SMALL = r"(?:with|in|on|at|of|and|by|to|from|like|as|beside|near|next|under|behind|before|holding|wearing)"
_WORDS = rf"(?:(?!{_SMALL}\b)[\w']+[\s-]+)"
_MACHINE = (
    r"(?:ai(?!\s+(?:robot|android|cyborg|droid|hologram|character|creature|girl|boy|warrior|god(?:dess)?)\b)"
    r"|a\.i\.|artificial\s+intelligence|chat\s?bot|language\s+model|llm|prompt\s+(?:engineer|writer|generator)"
    r"|(?<!shop\s)(?<!sales\s)(?<!store\s)(?<!dental\s)(?<!teaching\s)(?<!lab\s)(?<!office\s)assistant)\b"
)
_ROLE = (
    r"(?:photographer|stylist|copywriter|(?:creative|art)\s+director|director\s+of\s+photography"
    r"|cinematographer|retoucher|designer|artist|expert|specialist|consultant|coach|adviser|advisor|editor"
    r"|agent|generator|persona|engineer|writer)\b"
)
_PRAISE = (
    r"(?:professional|expert|world[\s-]class|award[\s-]winning|renowned|experienced|skilled|talented|helpful"
    r"|friendly|creative|senior|master|virtual|personal|seasoned|leading|highly)"
)
_ABOUT = r"(?:who|that|which|speciali[sz]\w+|with\s+(?:over|more|\d+)|for\s+\w+|tasked|working)\b"
_NOUNS = r"(?:prompts?|captions?|descriptions?|responses?|instructions?|rules?)\b"

_ANYWHERE = re.compile(
    rf"\b(?:{_YOU}\s+(?:an?|the|my|our|your)\s+{_WORDS}{{0,4}}{_MACHINE}"
    rf"|{_YOU}\s+(?:an?|the|my|our|your)\s+{_PRAISE}[\s-]+{_WORDS}{{0,3}}{_ROLE}(?=\s*$|\s+{_ABOUT})"
    rf"|{_YOU}\s+(?:an?|the|my|our|your)\s+{_WORDS}{{0,3}}{_ROLE}(?=\s+{_ABOUT})"
    r"|i(?:'m|\s+am)\s+(?:an?\s+(?:ai|llm|(?:large\s+)?language\s+model|chat\s?bot)|maya)\b"
    rf"|{_YOU}\s+maya\b"
    r"|your\s+(?:role|task|job|goal|mission|purpose)\s+is\b|system\s+prompt\b|knowledge\s+cut-?off\b"
    r"|ignore\s+(?:all\s+|any\s+)?(?:the\s+|your\s+)?(?:previous|prior|above|earlier)\s+\w+"
    r"|as\s+an\s+ai(?=,|\s+(?:language|assistant|model|i)\b))",
    re.IGNORECASE,
)
"""Nobody says this of a picture, wherever it stands."""

_FIRST = re.compile(
    rf"{_LEAD}(?:as\s+an\s+ai\b"
    r"|i(?:'m|\s+am)\s+(?:your|here\s+to)\b|i\s+(?:can't|cannot|can\s+not|won't|will\s+not)\s+"
    r"(?:see|identify|recogni[sz]e|access|help|assist|provide|generate|create|draw|comply|fulfil|do\s+that)"
    r"|(?:never|do\s+not|don't)\s+(?:mention|reveal|say|disclose|output|break\s+character|repeat|explain|respond)\b"
    r"|(?:always\s+)?(?:respond|reply|answer)\s+(?:with|only|in|as|to)\b"
    r"|always\s+(?:respond|reply|answer|stay|output|write|format|use|include|start|begin|end)\b"
    r"|(?:output|return|print)\s+(?:only|nothing|just|the\s+prompt|json)\b|stay\s+in\s+character\b"
    rf"|follow\s+(?:these|the|all)\s+(?:\w+\s+){{0,2}}{_NOUNS}|the\s+user\s+(?:wants|asks?|asked|said|is)\b"
    rf"|(?:write|create|generate|craft|produce)\s+(?:me\s+)?(?:an?|the|one)\s+(?:\w+\s+){{0,3}}{_NOUNS}"
    r"|(?:act|role-?play|speak|behave)\s+as\s+(?:an?|the|my|if)\b|(?:take|assume|adopt|play)\s+(?:on\s+)?the\s+(?:role|persona)\b"
    r"|(?:i\s+want|i\s+need|i'd\s+like)\s+you\s+to\s+(?:act|be|write|respond|help|role)\b"
    r"|you\s+(?:(?:will|must|should|always|can|only|never)\s+)*(?:help|assist|guide|advise)\s+(?:users?|people|clients?|customers?|them|me)\b"
    r"|you\s+(?:will|must|should|always|only|never)\s+(?:respond|reply|answer|output|write|generate|create|provide|return|describe|use|include|avoid|mention|follow|ensure|produce|speak|act)\b"
    rf"|you\s+(?:write|create|generate|craft|produce|turn)\s+(?:\w+\s+){{0,4}}{_NOUNS}"
    r"|let\s+me\s+know\s+(?:if|what|whether)\b|feel\s+free\s+to\b|(?:i\s+)?hope\s+this\s+(?:helps|works)\b"
    r"|would\s+you\s+like\s+(?:me|any)\b|this\s+prompt\s+\w+s\b"
    rf"|here(?:'s|\s+is|\s+are)\s+(?:the|your|an?|my|some)\s+(?:\w+\s+){{0,4}}{_NOUNS}"
    r")",
    re.IGNORECASE,
)
"""How a clause begins that is an instruction, or a language model's own words."""

_OPENING = re.compile(
    r"(?:sure(?:\s+thing)?|certainly|of\s+course|okay|ok|absolutely|got\s+it|no\s+problem|great)$",
    re.IGNORECASE,
)
_HERE = re.compile(r"here(?:'s|\s+is|\s+are)\s+(?:the|your|an?|my|some)\b[^:]*$", re.IGNORECASE)
_NAME = re.compile(
    r"\b(?P<you>(?i:you))(?i:'re|\s+are)(?i:\s+(?:now|called|named))?\s+"
    r"(?!(?i:here|there|not|now|so|the|an?|in|on|at|what|where|loved|beautiful|enough|welcome|free|my|special|next)\b)"
    r"[A-Z][\w'-]*(?:\s+[A-Z][\w'-]*)?\s*$"
)
_ALONE = re.compile(
    rf"{_YOU}\s+(?:an?|the|my|our|your)\s+{_WORDS}{{0,2}}{_ROLE}\s*$", re.IGNORECASE
)
_GOES_ON = re.compile(
    rf"(?:(?:an?|the|your|my|our)\s+(?:{_WORDS}{{0,5}})(?:{_MACHINE}|{_ROLE})|(?:and\s+)?(?:you|your)\b|who\b|whose\b"
    r"|trained\b|speciali[sz]|known\s+for\b|here\s+to\b|(?:designed|created|built)\s+(?:to|by)\b|dedicated\b|helping\b"
    r"|with\s+(?:over|more|\d))",
    re.IGNORECASE,
)
"""What a persona's clause is followed by, and goes with it."""
_SAID_OF_THE_SUBJECT = re.compile(r"you(?:'re|\s+are)\s+(?!an?\b|the\b|my\b|our\b|your\b)[a-z]")


@dataclass(frozen=True, slots=True)
class _Clause:
    start: int
    end: int
    """Past its sign, as `after` is."""
    text: str
    first: bool
    """Of a sentence."""
    after: str
    """The sign it ends with; '' at the end of the line."""

    @property
    def ends(self) -> bool:
        return not self.after or self.after[0] in '.!?:;)]"'


def leaks_in(line: str) -> list[Range]:
    """The parts of one line that were meant for a language model, in order, none touching another."""
    reads, places = plain_letters(line)
    shown = _shown_in(reads)
    found: list[Range] = []
    clauses = list(_clauses(reads))
    gone_on = False
    for number, clause in enumerate(clauses):
        if any(a < clause.end and clause.start < b for a, b in shown):
            gone_on = False
            continue
        after = clauses[number + 1] if number + 1 < len(clauses) else None
        start = _begins(clause, after, gone_on)
        gone_on = start is not None
        if start is not None:
            found.append((places[start], places[clause.end]))
    return _joined(line, found)


def _begins(clause: _Clause, after: _Clause | None, gone_on: bool) -> int | None:
    """Where the leak in a clause begins; None: there is none."""
    text = clause.text
    goes_on = after is not None and not clause.ends and _GOES_ON.match(after.text) is not None
    if (
        gone_on
        and not clause.first
        and _GOES_ON.match(text)
        and not _SAID_OF_THE_SUBJECT.match(text)
    ):
        return clause.start
    if _FIRST.match(text) or _OPENING.match(text):
        return clause.start
    if clause.after.startswith(":") and _HERE.match(text):
        return clause.start
    if clause.first and clause.ends and _ALONE.match(text):
        return clause.start
    if found := _ANYWHERE.search(text):
        return clause.start + found.start()
    if found := _NAME.search(text):
        capital = found["you"][0] == "Y" and (found.start() > 0 or clause.ends)
        if goes_on or (clause.ends and (capital or found.start() == 0)):
            return clause.start + found.start()
    return None


def _clauses(text: str) -> Iterator[_Clause]:
    start, first = 0, True
    for sign in [*_ENDS.finditer(text), None]:
        end = sign.start() if sign else len(text)
        inside = text[start:end]
        lead = len(inside) - len(inside.lstrip())
        if inside.strip():
            after = sign[0].strip() if sign else ""
            past = sign.end() if sign and after[:1] in tuple(".!?:;,") else end
            yield _Clause(start + lead, past, inside.strip(), first, after)
            first = not after.startswith(",")
        elif sign and sign[0].strip()[:1] not in (",", ""):
            first = True
        start = sign.end() if sign else end


def _shown_in(text: str) -> list[Range]:
    """Words that the picture is to show: what is quoted, or follows a colon, after 'a sign that says'."""
    return [
        quoted.span()
        for quoted in re.finditer(r'"[^"]*"|(?<!\w)\'[^\']*\'(?!\w)|:\s[^,.;]*', text)
        if _TEXT.search(text[max(0, quoted.start() - 60) : quoted.start()])
    ]


def _joined(line: str, ranges: list[Range]) -> list[Range]:
    """Ranges with nothing but space between them as one."""
    joined: list[Range] = []
    for start, end in ranges:
        if joined and not line[joined[-1][1] : start].strip():
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined
