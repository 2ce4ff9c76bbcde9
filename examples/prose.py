"""From plain text with code, tables and grammar in it to paragraphs, sentences and words."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

STOPWORDS = frozenset(
    re.findall(
        r"\S+",
        """
        a about above after again all also always an and another any are as at be because been before being
        below between both but by can can't cannot could did do does doesn't don't done during each either
        etc even every few for from further give given gives had has have having he her here him his
        how however i if in instead into is isn't it its itself just like may me might more most much must
        my neither no nor not of off on one only onto or other others otherwise our out over own per rather
        same see shall she should since so some such than that the their them then there therefore
        these they this those through thus to too under until up upon us used uses using very via was we
        were what when where whether which while who whom whose why will with within without would yet you
        your
        """,
    )
)
"""Words that tell nothing about the subject of a text."""

_QUOTES = "\"'"
_STRAIGHT_QUOTES = {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'}
_BLANK_LINES = re.compile(r"\n\s*\n")
_UNDERLINE = re.compile(r"\s*([*=\-~^\"'])\1{2,}\s*$")
_CODE = re.compile(
    r"""
    ::=                                                       # grammar
    | ^\s*(?: >>> | \.\.\.[ ] | \$[ ] | \#[ ] | [|+][-=|\s])  # sessions, shells, comments, tables
    | ^\s*[\w.]+[ ]=[ ]                                       # assignments
    | ^\s*[\w.]+\([^)]*\)\s*$                                 # signatures
    | \A\s+(?: async | for | if | while | with | def | class )[ ][^\n]*:$
    """,
    re.MULTILINE | re.VERBOSE,
)
_POINTER = re.compile(r"\s*(?:\*\*PEP \d+\*\*|See also|Module \")")
_MARKER = re.compile(r"^(?:[*•-]|\d+\.|\[\d+\]|\(\d+\))\s+")
_EMPHASIS = re.compile(r"(?<![\w*\"'(])(\*{1,2})([^\s*\"][^*\"]*?)\1(?![\w*])")
_FOOTNOTE = re.compile(r"\s*\[\d+\]")
_HYPHEN_AT_LINE_END = re.compile(r"(?<=\w)-\n\s*(?=\w)")
_SENTENCE_GAP = re.compile(r"(?<=[.!?])[\")']*(\s+)(?=[\"(\[]?[A-Z_\"(])")
_ABBREVIATION = re.compile(r"\b(?:[Ee]\.g|[Ii]\.e|cf|vs|resp|[A-Z])\.[\")]*$")
_BREAK = re.compile(r"[^\w\s.*'\"-]+|\.(?!\w)")
_WORD = re.compile(r"(?:(?<!\w)[\"'])?_*[A-Za-z]\w*(?:[-.']_*[A-Za-z]\w*)*(?:(?<=[a-z])\*(?![\w*]))?")
_VOWEL = re.compile(r"[aeiouy]")


class Paragraph(NamedTuple):
    """Some sentences that belong together, and the headings above them."""

    heading: str
    sentences: tuple[str, ...]


def paragraphs(text: str) -> Iterator[Paragraph]:
    """The prose of a document in order; grammar, tables, code and pointers to elsewhere are left out.

    A short line above an indented explanation, such as ``str.strip([chars])``, belongs to its heading.
    """
    section = ""
    labels: list[tuple[int, str]] = []
    for block in _BLANK_LINES.split(text.translate(_STRAIGHT_QUOTES)):
        lines = block.strip("\n").split("\n")
        if len(lines) > 1 and _UNDERLINE.match(lines[1]):
            section, labels = lines[0].strip(), []
            continue
        indent = len(lines[0]) - len(lines[0].lstrip())
        labels = [(depth, label) for depth, label in labels if depth < indent]
        if _is_prose(block):
            heading = " ".join([section, *(label for _, label in labels)])
            yield Paragraph(heading, split_sentences(unwrap(block)))
        elif len(lines) <= 2 and not block.endswith(":"):
            labels.append((indent, unwrap(block)))


def _is_prose(block: str) -> bool:
    """Whether a block reads like sentences: in code and tables the small words are rare."""
    found = words(block)
    if len(found) < 5 or _CODE.search(block) or _POINTER.match(block):
        return False
    return sum(word in STOPWORDS for word in found) > 0.2 * len(found)


def unwrap(block: str) -> str:
    """A block as one line, without list markers, emphasis and references to footnotes."""
    line = " ".join(_HYPHEN_AT_LINE_END.sub("-", block).split())
    return _EMPHASIS.sub(r"\2", _FOOTNOTE.sub("", _MARKER.sub("", line)))


def split_sentences(line: str) -> tuple[str, ...]:
    """The sentences of a paragraph; "e.g.", "i.e." and initials end none."""
    sentences: list[str] = []
    start = 0
    for gap in _SENTENCE_GAP.finditer(line):
        if not _ABBREVIATION.search(line, start, gap.start(1)):
            sentences.append(line[start : gap.start(1)])
            start = gap.end()
    return (*sentences, line[start:])


def words(text: str) -> list[str]:
    """The words of a text in lower case; ``str.join``, ``__init__`` and "f-string" are one each."""
    return [_plain(word) for word in _WORD.findall(text)]


def terms(text: str) -> list[str]:
    """What a text is about, for counting: the stems of its words without stopwords.

    In quotes, as in the "with" statement, any word counts.
    """
    return [stem(_plain(word)) for word in _WORD.findall(text) if _tells_something(word)]


def runs(sentence: str) -> Iterator[list[str]]:
    """Neighbouring words with neither a stopword nor punctuation between them."""
    for piece in _BREAK.split(sentence):
        for tells, run in groupby(_WORD.findall(piece), key=_tells_something):
            if tells:
                yield [_plain(word) for word in run]


def _plain(word: str) -> str:
    return word.lstrip(_QUOTES).lower().removesuffix("'s")


def _tells_something(word: str) -> bool:
    return len(word) > 1 and (word[0] in _QUOTES or _plain(word) not in STOPWORDS)


def stem(word: str) -> str:
    """A word without its ending, so that "handles", "handling" and "handled" meet.

    Names of code, with a dot or an underscore, are left alone.
    """
    if "." in word or "_" in word:
        return word
    if word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    for ending in ("ing", "ed", "e"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and _VOWEL.search(rest):
            return rest
    return word
