"""How the demonstration shows itself: bars and a table in a terminal, plain lines anywhere else."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from shutil import get_terminal_size
from textwrap import fill

TICK = 0.1


def fancy() -> bool:
    """Whether there is a person in front of a terminal, and rich to draw with."""
    return sys.stdout.isatty() and find_spec("rich") is not None


def paragraph(text: str, indent: str = "  ", bullet: str = "") -> None:
    """Print some text in lines that can be read."""
    width = min(100, get_terminal_size().columns)
    print(fill(text, width, initial_indent=indent + bullet, subsequent_indent=indent + " " * len(bullet)))


@asynccontextmanager
async def progress(label: str, total: int, done: Callable[[], int]) -> AsyncGenerator[None, None]:
    """Show how far some work is, without a hand in it.

    The work only counts; ten times a second the bar looks at the count. A bar that is moved by every call
    would cost more than the hits that it shows.

    Args:
        label: what is going on.
        total: how much there is to do.
        done: how much of it is done.
    """
    if not fancy():
        yield
        print(f"{label}: {done():,} of {total:,} calls answered")
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = ("{task.description:<24}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bars:
        bar = bars.add_task(label, total=total)

        async def tick() -> None:
            while True:
                bars.update(bar, completed=done())
                await asyncio.sleep(TICK)

        ticker = asyncio.create_task(tick())
        try:
            yield
        finally:
            ticker.cancel()
            bars.update(bar, completed=done())


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns; the first one is a name, the others are figures, the last row a sum."""
    if fancy():
        _rich_table(columns, rows)
    else:
        _plain_table(columns, rows)


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    gap = int(console.width > 90)
    drawn = Table(box=SIMPLE_HEAD, padding=(0, gap, 0, 0), show_edge=False)
    drawn.add_column(columns[0], style="bold", min_width=max(len(row[0]) for row in rows))
    for column in columns[1:]:
        drawn.add_column(column, justify="right")
    for row in rows[:-1]:
        drawn.add_row(*row)
    drawn.add_section()
    drawn.add_row(*rows[-1], style="bold")
    console.print(drawn)


def _plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]))
