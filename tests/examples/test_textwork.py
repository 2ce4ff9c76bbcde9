"""The three operations give results that a person would accept."""

import pytest

import textwork
from documents import Document, load_documents
from prose import paragraphs, stem

DOCUMENTS = {document.name: document for document in load_documents()}


@pytest.fixture(scope="module")
def library():
    return textwork.Library(DOCUMENTS.values())


@pytest.mark.parametrize("name", ["try", "with", "specialnames", "slicings", "debugger"])
def test_a_summary_quotes_the_text_in_order(name):
    """A summary is whole sentences of the text, each once, in the order in which they were written."""
    sentences = [sentence for p in paragraphs(DOCUMENTS[name].text) for sentence in p.sentences]
    summary = textwork.summarize(DOCUMENTS[name].text)
    places = [
        sentences.index(sentence if sentence in sentences else f"{sentence[:-1]}:") for sentence in summary
    ]
    assert len(summary) == 3
    assert places == sorted(set(places))


def test_a_summary_begins_where_the_author_does():
    """The first sentence says what a text is about, also where it leads over to an example."""
    first = textwork.summarize(DOCUMENTS["try"].text)[0]
    assert first.startswith('The "try" statement specifies exception handlers')
    assert first.endswith("code for a group of statements.")


def test_a_summary_finds_what_the_text_is_about():
    """A sentence that shares nothing with the others is not in it; one that ties them together is."""
    text = (
        "A cache keeps the answers of slow functions. "
        "Bananas are rich in potassium and taste fine. "
        "Slow functions with a cache before them save hours of work every day. "
        "Hours of work are what customers of a service pay for."
    )
    summary = textwork.summarize(text, 3)
    assert len(summary) == 3
    assert not any("Bananas" in sentence for sentence in summary)


def test_a_summary_says_nothing_twice():
    """Two sentences with the same words are worth one place."""
    text = (
        "The parser reads all tokens of the file. " * 3 + "Afterwards the compiler turns the tree into code."
    )
    assert textwork.summarize(text, 2) == [
        "The parser reads all tokens of the file.",
        "Afterwards the compiler turns the tree into code.",
    ]


def test_a_summary_of_little_is_little():
    """Fewer sentences than asked for, or none, are no error."""
    assert textwork.summarize("") == []
    assert textwork.summarize("This is the only sentence in here.") == ["This is the only sentence in here."]
    assert len(textwork.summarize(DOCUMENTS["try"].text, 1)) == 1


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("assert", "assert"),
        ("await", "coroutine"),
        ("debugger", "breakpoint"),
        ("lambda", "lambda"),
        ("slicings", "slice"),
        ("with", "context manager"),
        ("yield", "yield"),
    ],
)
def test_keywords_name_the_subject(library, name, keyword):
    """What a document is about is among its keywords, as it is written there."""
    assert keyword in library.keywords(DOCUMENTS[name].text)


def test_keywords_share_no_word(library):
    """Six keywords are six subjects, not six spellings of one."""
    for document in DOCUMENTS.values():
        stems = [stem(word) for phrase in library.keywords(document.text) for word in phrase.split()]
        assert len(stems) == len(set(stems))


def test_keywords_are_names(library):
    """A keyword ends in no adverb or participle and has no number in it."""
    for document in DOCUMENTS.values():
        for phrase in library.keywords(document.text):
            assert not phrase.endswith(("ed", "ly"))
            assert not any(character.isdigit() for character in phrase)


def test_keywords_are_what_the_collection_lacks(library):
    """What every document speaks of tells none from the others, however often it occurs."""
    text = "The object calls a quantum annealer. " * 2 + "An object has an object and an object. " * 3
    assert library.keywords(text, 1) == ["quantum annealer"]


@pytest.mark.parametrize(
    ("question", "document", "says"),
    [
        ("What is a context manager?", "context-managers", "defines the runtime context"),
        ("What is a lambda expression?", "lambda", "anonymous functions"),
        ('What does the "nonlocal" statement do?', "nonlocal", "previously bound"),
        ('What does the "is" operator test?', "comparisons", "identity"),
        ("What does str.casefold do?", "string-methods", "casefolded copy"),
        ("What is the precedence of operators?", "operator-summary", "highest precedence"),
        (
            "Are default values evaluated when a function is defined?",
            "function",
            "evaluated from left to right",
        ),
        ("Does a dictionary preserve insertion order?", "types", "preserve insertion order"),
    ],
)
def test_questions_are_answered_from_the_right_document(library, question, document, says):
    """An answer is word for word in the document that it names, and answers the question."""
    answer = library.answer(question)
    assert answer.document == document
    assert says in answer.text
    whole = [" ".join(p.sentences) for p in paragraphs(DOCUMENTS[document].text)]
    assert any(answer.text in paragraph for paragraph in whole)


def test_a_question_about_nothing_has_no_answer(library):
    """Words that no document uses are answered by nothing, not by anything."""
    assert library.answer("Xyzzy plugh?") == textwork.Answer("", "", 0.0)
    assert library.answer("What is it?") == textwork.Answer("", "", 0.0)


def test_a_shared_paragraph_counts_for_the_shortest_document():
    """The reference repeats its chapters in short topics; the short one is the better address."""
    shared = "A quince is a yellow fruit that nobody eats raw."
    rest = "\n\nApples are red and everybody eats them all day."
    library = textwork.Library(
        [Document("short", "Quince", shared), Document("long", "Fruit", shared + rest)]
    )
    assert library.answer("What is a quince?").document == "short"


def test_a_rare_word_decides():
    """A word that every paragraph has says less about a question than one that only one has."""
    fruit = [f"This fruit and that fruit are fruit of fruit number {number}." for number in "abcdefgh"]
    library = textwork.Library(
        [Document("many", "", "\n\n".join(fruit)), Document("one", "", "A quince is something for cooks.")]
    )
    assert library.answer("Which fruit is a quince?").document == "one"


def test_a_pointer_to_elsewhere_is_no_answer_if_there_is_a_better_one():
    """A sentence that says where to read about a thing is beaten by one that says what it is."""
    text = "For a quince see the section on the quince. A quince is a fruit that nobody eats raw."
    answer = textwork.Library([Document("fruit", "", text)]).answer("What is a quince?")
    assert answer.text == "A quince is a fruit that nobody eats raw."


def test_ranks_are_shared_out_and_not_made():
    """What one sentence passes on to others is what it has, however many they are."""
    bags = [frozenset("abcd"), frozenset("abef"), frozenset("cdef"), frozenset("abcdefgh")]
    ranks = textwork.text_rank(bags)
    assert sum(ranks) == pytest.approx(len(bags))
    assert max(ranks) == ranks[3]
