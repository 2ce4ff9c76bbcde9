"""What counts as a sentence in a text that also has code, grammar and tables."""

import pytest

from documents import load_documents
from prose import STOPWORDS, paragraphs, runs, split_sentences, stem, terms, unwrap, words

DOCUMENTS = {document.name: document for document in load_documents()}


def prose_of(text):
    return [sentence for paragraph in paragraphs(text) for sentence in paragraph.sentences]


def test_several_dozen_documents_come_with_python():
    """There is real text to work on, and each document says something in sentences."""
    assert len(DOCUMENTS) > 50
    assert sum(len(document.text) for document in DOCUMENTS.values()) > 300_000
    assert [name for name, document in DOCUMENTS.items() if not prose_of(document.text)] == []
    assert DOCUMENTS["try"].title == 'The "try" statement'


def test_code_grammar_and_tables_are_no_sentences():
    """Sessions, productions and rows of a table do not end up in a summary."""
    everything = "\n".join(
        sentence for document in DOCUMENTS.values() for sentence in prose_of(document.text)
    )
    for sign in (">>> ", "::=", "+----", "\n| "):
        assert sign not in everything
    assert "print(repr(e))" not in everything


def test_what_looks_like_a_sentence_but_is_code_is_none():
    """Assignments, headers of statements and lists of signatures may be full of small words."""
    text = """
    The loop visits all of the items, as this code does:

       result = the_first_of(items) if it is there and not in the others

       for it in all of this and that:

       object.__and__(self, other)
       object.__or__(self, other)
    """
    assert prose_of(text) == ["The loop visits all of the items, as this code does:"]


def test_typographic_quotes_become_straight_ones():
    """The same word is the same word, whichever quotes the author liked."""
    sentence = "It is \N{LEFT DOUBLE QUOTATION MARK}with\N{RIGHT DOUBLE QUOTATION MARK} that does the work."
    assert prose_of(sentence) == ['It is "with" that does the work.']


def test_nothing_is_invented():
    """All words of the sentences are in the document, most words of the document are in the sentences."""
    for document in DOCUMENTS.values():
        text = document.text.replace("’", "'")  # noqa: RUF001
        assert set(words(" ".join(prose_of(text)))) <= set(words(text)) | set(words(unwrap(text)))
    total = sum(len(words(document.text)) for document in DOCUMENTS.values())
    assert sum(len(words(" ".join(prose_of(document.text)))) for document in DOCUMENTS.values()) > 0.6 * total


def test_a_signature_is_the_heading_of_its_description():
    """What ``str.casefold`` does stands under that name, and nothing else does."""
    described = [
        p.sentences[0] for p in paragraphs(DOCUMENTS["string-methods"].text) if "str.casefold()" in p.heading
    ]
    assert described[0].startswith("Return a casefolded copy of the string.")
    assert not any("centered" in sentence for sentence in described)


def test_a_heading_ends_with_its_indentation():
    """What follows a description, outside of it, is not about the same thing."""
    text = "str.strip([chars])\n\n   This removes what is around it.\n\nNow this is about all of them again."
    assert [paragraph.heading.strip() for paragraph in paragraphs(text)] == ["str.strip([chars])", ""]


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("One is here. Two is there.", ("One is here.", "Two is there.")),
        ("Use a type, e.g. List, for it. Done.", ("Use a type, e.g. List, for it.", "Done.")),
        ('It is called "x". "y" is another.', ('It is called "x".', '"y" is another.')),
        ("See version 3.7. Then go on.", ("See version 3.7.", "Then go on.")),
        ("Written by J. Doe in 1990.", ("Written by J. Doe in 1990.",)),
        ("No end", ("No end",)),
    ],
)
def test_sentences_end_where_a_reader_thinks_so(line, sentences):
    """Abbreviations, initials and numbers end no sentence; quotes may end and begin one."""
    assert split_sentences(line) == sentences


def test_markup_and_line_breaks_disappear():
    """A list item with emphasis, a footnote and a word broken at a hyphen reads like a plain sentence."""
    block = "  * a *non-\n    virtual base class* of the\n    exception [2] object"
    assert unwrap(block) == "a non-virtual base class of the exception object"
    assert unwrap('the forms "*identifier" or "**identifier"') == 'the forms "*identifier" or "**identifier"'


def test_names_of_code_are_one_word_each():
    """Dots, underscores and the star of ``except*`` belong to a word."""
    assert words("Call str.join() on __all__, an f-string or except* it.") == [
        "call", "str.join", "on", "__all__", "an", "f-string", "or", "except*", "it",
    ]  # fmt: skip


def test_forms_of_one_word_meet():
    """Counting does not care for plural and tense, and leaves names of code alone."""
    assert {stem(word) for word in ("handle", "handles", "handled", "handling")} == {"handl"}
    assert stem("classes") == stem("class")
    assert stem("dictionaries") == stem("dictionary")
    assert stem("string") == "string"
    assert stem("co_names") == "co_names"
    assert stem("string.digits") == "string.digits"


def test_a_quoted_keyword_counts():
    """``with`` says nothing, but the "with" statement is a subject."""
    assert "with" in STOPWORDS
    assert terms("with the statement") == ["statement"]
    assert terms('the "with" statement') == ["with", "statement"]


def test_runs_are_broken_by_stopwords_and_punctuation():
    """Keywords do not reach over a comma or an "of"."""
    assert list(runs("The base class of new objects, floor division.")) == [
        ["base", "class"], ["new", "objects"], ["floor", "division"],
    ]  # fmt: skip
