"""How wide the columns of a printed table are, from the words in them.

Typst can find widths by itself, but lays every cell out twice for it: ten times slower on long tables.
"""

from __future__ import annotations

import unicodedata

from commensal.report.views import TableView

LETTERS = {False: 132, True: 200}  # letters on a line of a table, upright and turned
PADDING = 2  # the space between two columns, in letters
TURNED = 10  # a table of more columns than this is printed on a turned page


def is_turned(view: TableView) -> bool:
    """Whether a table is printed across: more columns than an upright page has room for."""
    return len(view.head) > TURNED


def widths(view: TableView) -> tuple[float, ...]:
    """Return the share of the line each column takes, in letters.

    A column of numbers is as wide as its longest number. The rest is shared by the others so that each has
    room for its longest word, and what remains goes where there is most to write.
    """
    columns = list(zip(view.head, *view.rows, strict=True))
    least = [_least(column, is_number=i in view.numeric) for i, column in enumerate(columns)]
    most = [max(_least(c, is_number=False), _longest(c)) for c in columns]
    room = LETTERS[is_turned(view)] - PADDING * len(columns)
    spare = max(room - sum(least), 0)
    wish = [max(m - k, 0) for m, k in zip(most, least, strict=True)]
    share = min(1.0, spare / sum(wish)) if sum(wish) else 0.0
    return tuple(round(k + share * w + PADDING, 2) for k, w in zip(least, wish, strict=True))


def _least(column: tuple[str, ...], *, is_number: bool) -> int:
    """Return the width without which a word of the column, or a number of it, would be broken."""
    head, *cells = column
    parts = [line for c in cells for line in (c.split("\n") if is_number else c.split())]
    return max([1, *map(_letters, [*head.split(), *parts])])


def _longest(column: tuple[str, ...]) -> int:
    return max(_letters(line) for cell in column for line in cell.split("\n"))


def _letters(text: str) -> int:
    """Return the width of a text in Latin letters; a Chinese letter is as wide as two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
