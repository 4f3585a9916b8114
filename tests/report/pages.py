"""Reading a page back: its tables, its texts, its embedded JSON."""

import json
from html.parser import HTMLParser


class Page(HTMLParser):
    """What is on a page.

    Attributes:
        tables: Rows of cells by caption, the header first; the last of equal captions wins.
        texts: Texts of all elements, in order.
        tags: Names of all elements, with their attributes.
        data: The embedded JSON by id.
    """

    def __init__(self, content):
        super().__init__(convert_charrefs=True)
        self.tables, self.texts, self.tags, self.data = {}, [], [], {}
        self._rows, self._caption, self._in_caption, self._script = [], "", False, None
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        elif tag == "caption":
            self._in_caption = True
        elif tag == "script":
            self._script = dict(attrs)

    def handle_endtag(self, tag):
        if tag == "table":
            self.tables[self._caption] = self._rows
            self._rows = []
        elif tag == "caption":
            self._in_caption = False
        elif tag == "script":
            self._script = None

    def handle_data(self, data):
        if self._script is not None:
            if self._script.get("type") == "application/json":
                self.data[self._script["id"]] = json.loads(data)
            return
        self.texts.append(data)
        if self._in_caption:
            self._caption += data
        elif self._rows and self._rows[-1]:
            self._rows[-1][-1] += data

    @property
    def text(self):
        """All that is read, joined."""
        return "".join(self.texts)

    def table(self, start):
        """Rows without the header of the table whose caption starts so."""
        return next(rows[1:] for caption, rows in self.tables.items() if caption.startswith(start))
