"""What may stand in a column, and what may not."""

from __future__ import annotations

import os
from base64 import b64encode

from twisted.trial.unittest import SynchronousTestCase

from tests.blindness.forms import fits

TEXT = "a text that somebody has written"


class Forms(SynchronousTestCase):
    """`fits`."""

    def test_words_fit_nowhere_but_in_text(self) -> None:
        """Whatever the form."""
        for form in ("number", "id", "word", "setting", "name", "hash", "public", "sealed", "secret"):
            self.assertFalse(fits(form, TEXT), form)
        self.assertFalse(fits("public", f'{{"key": "{TEXT}"}}'))
        self.assertFalse(fits("number", "1"))

    def test_sealed_is_what_random_bytes_look_like(self) -> None:
        """Of any length, as the message of any Olm type, and not as words in base64."""
        for length in range(16, 400):
            sealed = b64encode(os.urandom(length)).decode().rstrip("=")
            for before in ("", "0", "1", "ABCDEF:0:"):
                self.assertTrue(fits("sealed", before + sealed), before + sealed)
            self.assertTrue(fits("sealed", os.urandom(length)))
        self.assertFalse(fits("sealed", b"\x00" + TEXT.encode()))
        for before in ("", "0", "ABCDEF:1:"):
            self.assertFalse(fits("sealed", before + b64encode(TEXT.encode()).decode().rstrip("=")))
