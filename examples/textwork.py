"""Three operations on text that take real work: a summary, keywords, an answer to a question.

Pure functions of what they are given, in plain Python: just what is worth caching.
"""

import heapq
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, groupby
from typing import NamedTuple, TypeAlias

from documents import Document
from prose import paragraphs, runs, stem, terms, words

DAMPING, ROUNDS = 0.85, 30
SATURATION, LENGTH_WEIGHT = 1.2, 0.75
CANDIDATES = 20
LONGEST_PHRASE = 3

Phrase: TypeAlias = tuple[str, ...]

_ELSEWHERE = re.compile(r"\b(?:[Ss]ee|section)\b")


def summarize(text: str, count: int = 3) -> list[str]:
    """The sentences that say most of a text, in the text's own order.

    The first one, where authors say what a text is about, and the best by TextRank: a sentence matters as
    much as the sentences do that it shares words with (Mihalcea and Tarau, EMNLP 2004).

    Args:
        text: a document of any length.
        count: how many sentences at most.
    """
    sentences = list(_whole_sentences(text))
    bags = [frozenset(terms(sentence)) for sentence in sentences]
    ranks = text_rank(bags)
    chosen: list[int] = []
    for i in sorted(range(len(bags)), key=lambda i: (i > 0, -ranks[i])):
        if len(chosen) < count and not any(_repeats(bags[i], bags[j]) for j in chosen):
            chosen.append(i)
    return [sentences[i] for i in sorted(chosen)]


def _whole_sentences(text: str) -> Iterator[str]:
    """Sentences that stand alone; the one that opens a text does so even if it leads over to an example."""
    opening = True
    for paragraph in paragraphs(text):
        for sentence in paragraph.sentences:
            whole = f"{sentence[:-1]}." if opening and sentence.endswith(":") else sentence
            if _stands_alone(whole):
                yield whole
            opening = False


def _stands_alone(sentence: str) -> bool:
    return sentence.rstrip("\"')").endswith((".", "!", "?")) and len(words(sentence)) > 5


def _repeats(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) > 0.6 * min(len(one), len(other))


def text_rank(bags: Sequence[frozenset[str]]) -> list[float]:
    """How often a reader who follows shared words at random comes by each sentence."""
    links = _links(bags)
    strengths = [sum(link.values()) or 1.0 for link in links]
    ranks = [1.0] * len(bags)
    for _ in range(ROUNDS):
        flow = [DAMPING * rank / strength for rank, strength in zip(ranks, strengths, strict=True)]
        ranks = [1 - DAMPING + sum(flow[j] * weight for j, weight in link.items()) for link in links]
    return ranks


def _links(bags: Sequence[frozenset[str]]) -> list[dict[int, float]]:
    """For every sentence the others that share words with it, and how strongly."""
    links: list[dict[int, float]] = [{} for _ in bags]
    sizes = [math.log(1 + len(bag)) for bag in bags]
    for i, j in combinations(range(len(bags)), 2):
        shared = len(bags[i] & bags[j])
        if shared > 1:
            links[i][j] = links[j][i] = shared / (sizes[i] + sizes[j])
    return links


class Answer(NamedTuple):
    """What a library says about a question.

    Attributes:
        text: a sentence or two, word for word; empty where nothing matches.
        document: the name of the document that says so.
        score: how well it matches.
    """

    text: str
    document: str
    score: float


class Passage(NamedTuple):
    """A paragraph that is ready to be searched.

    Attributes:
        document: the name of the document that it is from.
        sentences: its sentences.
        counts: how often each term occurs in it and in its headings.
        weight: 2 for the first one under a heading, where things are defined, then less.
    """

    document: str
    sentences: tuple[str, ...]
    counts: Counter[str]
    weight: float


class Library:
    """A collection of documents: read once, then asked about many times.

    Args:
        documents: what to read. A paragraph that several of them share counts for the shortest.
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        shelf = sorted(documents, key=lambda document: -len(document.text))
        passages = {passage.sentences: passage for document in shelf for passage in _passages(document)}
        self._passages = list(passages.values())
        self._documents = len(shelf)
        self._in_documents = Counter(term for document in shelf for term in set(terms(document.text)))
        self._in_passages = Counter(term for passage in self._passages for term in passage.counts)
        self._length = sum(passage.counts.total() for passage in self._passages) / len(self._passages)

    def keywords(self, text: str, count: int = 6) -> list[str]:
        """The phrases that tell a text from the rest of the collection, best first.

        Runs of words without stopwords, as in RAKE (Rose et al., 2010), weighted by tf-idf.

        Args:
            text: a document, of the collection or not.
            count: how many phrases at most; no two share a word.
        """
        spellings: dict[Phrase, Counter[str]] = {}
        for phrase in _phrases(text):
            spellings.setdefault(tuple(map(stem, phrase)), Counter())[" ".join(phrase)] += 1
        weights = {stems: self._weight(stems, seen.total()) for stems, seen in spellings.items()}
        chosen: list[Phrase] = []
        for stems in sorted(weights, key=lambda stems: -weights[stems]):
            if len(chosen) < count and not any(set(stems) & set(other) for other in chosen):
                chosen.append(stems)
        return [spellings[stems].most_common(1)[0][0] for stems in chosen]

    def _weight(self, stems: Phrase, seen: int) -> float:
        """The tf-idf of a phrase that occurs so often: more than that of its words, if it is no accident."""
        idf = sum(math.log((1 + self._documents) / (1 + self._in_documents[stem])) for stem in stems)
        return math.log(0.5 + seen) * idf / (math.sqrt(len(stems)) if seen > 1 else len(stems) ** 2)

    def answer(self, question: str) -> Answer:
        """The sentences that answer a question best: BM25 over paragraphs, then over their sentences.

        Args:
            question: in words that the documents use; quotes around a word such as "with" make it count.
        """
        asked = sorted(set(terms(question)))
        best = Answer("", "", 0.0)
        for score, passage in self._search(asked):
            for place, sentence in enumerate(passage.sentences):
                total = score + self._fit(asked, sentence) * (1 + 1 / (2 + place))
                if _stands_alone(sentence) and total > best.score:
                    best = Answer(" ".join(passage.sentences[place : place + 2]), passage.document, total)
        return best

    def _search(self, asked: Sequence[str]) -> list[tuple[float, Passage]]:
        """The passages that match best, with their scores."""
        scores = ((self._bm25(asked, passage.counts) * passage.weight, passage) for passage in self._passages)
        return heapq.nlargest(CANDIDATES, scores, key=lambda scored: scored[0])

    def _fit(self, asked: Sequence[str], sentence: str) -> float:
        """How well a sentence matches by itself; one that only sends the reader elsewhere is worth half."""
        return self._bm25(asked, Counter(terms(sentence))) * (0.5 if _ELSEWHERE.search(sentence) else 1.0)

    def _bm25(self, asked: Sequence[str], counts: Counter[str]) -> float:
        """How well counted terms match the asked ones (Robertson and Zaragoza, 2009)."""
        size = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT * counts.total() / self._length
        return sum(
            self._rarity(term) * counts[term] * (SATURATION + 1) / (counts[term] + SATURATION * size)
            for term in asked
            if term in counts
        )

    def _rarity(self, term: str) -> float:
        holders = self._in_passages[term]
        return math.log(1 + (len(self._passages) - holders + 0.5) / (holders + 0.5))


def _passages(document: Document) -> Iterator[Passage]:
    for heading, section in groupby(paragraphs(document.text), key=lambda paragraph: paragraph.heading):
        for place, paragraph in enumerate(section):
            text = " ".join([document.title, heading, *paragraph.sentences])
            yield Passage(document.name, paragraph.sentences, Counter(terms(text)), 1 + 1 / (1 + place))


def _phrases(text: str) -> Iterator[Phrase]:
    """Every one to three neighbouring words that may name something."""
    found = (
        run for paragraph in paragraphs(text) for sentence in paragraph.sentences for run in runs(sentence)
    )
    for run in found:
        for size in range(1, LONGEST_PHRASE + 1):
            neighbours = zip(*(run[start:] for start in range(size)), strict=False)
            yield from filter(_names_something, neighbours)


def _names_something(phrase: Phrase) -> bool:
    if phrase[-1].endswith(("ed", "ly")):
        return False
    return all(len(word) > 1 and not any(map(str.isdigit, word)) for word in phrase)
