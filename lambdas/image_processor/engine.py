"""PyMuPDF, loaded at half its price, and silent.

Loading it makes a hundred thousand objects that stay. The garbage collector would look through them again and again
while they come, and at every later collection: a third of a cold start. So it rests meanwhile, and passes them over
afterwards.
"""

from __future__ import annotations

from lambdas.shared.startup import starting

with starting():
    import pymupdf
    from pymupdf import mupdf

__all__ = ["mupdf", "pymupdf"]

# Both go to stdout, and are the document's own words.
pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)
