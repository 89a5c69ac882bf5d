"""Reads what a query string's values are made of: names, quoted texts, lists."""

from __future__ import annotations

from sandbox.standins.supabase.errors import RefusedError


def parse_error(text: str, expected: str) -> RefusedError:
    """PGRST100."""
    return RefusedError(400, "PGRST100", f'"failed to parse ({text})"', details=f"expecting {expected}")


class Scanner:
    """A text, and how far it has been read."""

    def __init__(self, text: str, what: str) -> None:
        self._text, self._at, self._what = text, 0, what

    def starts(self, prefix: str) -> bool:
        """Whether this comes next."""
        return self._text.startswith(prefix, self._at)

    def take(self, prefix: str) -> bool:
        """Read this, if it comes next."""
        if not self.starts(prefix):
            return False
        self._at += len(prefix)
        return True

    def expect(self, prefix: str) -> None:
        """Read this."""
        if not self.take(prefix):
            raise self.wrong(f"'{prefix}'")

    def end(self) -> None:
        """Nothing may be left."""
        if self._at < len(self._text):
            raise self.wrong("the end")

    def until(self, stop: str) -> str:
        """What comes before the next `stop`; a quoted name whole."""
        if self.starts('"'):
            return self._quoted()
        end = self._text.find(stop, self._at)
        if end < 0:
            raise self.wrong(f"'{stop}'")
        found, self._at = self._text[self._at : end], end
        return found

    def value(self) -> str:
        """A value inside a group: quoted, an array in braces, or as far as the next comma or parenthesis."""
        if self.starts('"'):
            return self._quoted()
        start, depth = self._at, 0
        while self._at < len(self._text):
            character = self._text[self._at]
            depth += (character == "{") - (character == "}")
            if depth <= 0 and character in ",)":
                break
            self._at += 1
        return self._text[start : self._at]

    def items(self) -> tuple[str, ...]:
        """`(1,2,"a, b")`"""
        self.expect("(")
        if self.take(")"):
            return ()
        found = [self._item()]
        while self.take(","):
            found.append(self._item())
        self.expect(")")
        return tuple(found)

    def names(self) -> list[str]:
        """`id,"a, b"` to the end."""
        found = [self._item()] if self._text else []
        while self.take(","):
            found.append(self._item())
        self.end()
        return found

    def wrong(self, expected: str) -> RefusedError:
        """What is said of what does not fit."""
        shown = self._text[self._at : self._at + 20]
        return parse_error(self._text, f"{expected} in {self._what}, at column {self._at + 1}, found '{shown}'")

    def _item(self) -> str:
        if self.starts('"'):
            return self._quoted()
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in ",)":
            self._at += 1
        return self._text[start : self._at]

    def _quoted(self) -> str:
        self.expect('"')
        found: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(found)
            if character == "\\" and self._at < len(self._text):
                character = self._text[self._at]
                self._at += 1
            found.append(character)
        raise self.wrong("a closing quote")
