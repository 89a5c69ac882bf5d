"""Real calls through what this layer promises: a page rendered, the images that it draws handed to Python, logs.

Runs with the standard library, this layer and the runtime's boto3, on the target's CPU, with no network. The modules
that it imports are those shipped with bytecode, so it goes the way the function goes, errors and all.
"""

# ruff: noqa: S101 - every call imports what it tries, and an assertion is its verdict

from importlib.metadata import version


def document() -> bytes:
    """A page with a red square and an image with a soft mask."""
    import pymupdf

    pdf = pymupdf.open()
    page = pdf.new_page(width=72, height=72)
    page.draw_rect(pymupdf.Rect(0, 0, 36, 36), color=(1, 0, 0), fill=(1, 0, 0))
    pixmap = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 8, 8), 1)
    pixmap.clear_with(128)
    page.insert_image(pymupdf.Rect(36, 36, 72, 72), pixmap=pixmap)
    return pdf.tobytes()


def pages(data: bytes) -> None:
    """MuPDF draws: its own fonts, its colour management, its PNG writer."""
    import pymupdf

    page = pymupdf.open("pdf", data)[0]
    pixmap = page.get_pixmap(dpi=144)
    assert (pixmap.width, pixmap.height) == (144, 144)
    assert pixmap.pixel(36, 36) == (255, 0, 0)
    assert pixmap.tobytes("png").startswith(b"\x89PNG")


def images(data: bytes) -> None:
    """MuPDF calls back into Python with each image that a page draws."""
    from pymupdf import mupdf

    class Seen(mupdf.FzDevice2):
        def __init__(self) -> None:
            super().__init__()
            self.use_virtual_fill_image()
            self.sizes: list[tuple[int, int]] = []

        def fill_image(self, _context: object, image: object, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            kept = mupdf.FzImage(mupdf.ll_fz_keep_image(image))
            self.sizes.append((kept.w(), kept.h()))

    opened = mupdf.pdf_open_document_with_stream(mupdf.fz_open_buffer(mupdf.fz_new_buffer_from_copied_data(data)))
    seen = Seen()
    mupdf.pdf_run_page(mupdf.pdf_load_page(opened, 0), seen, mupdf.FzMatrix(), mupdf.FzCookie())
    mupdf.fz_close_device(seen)
    assert seen.sizes == [(8, 8)], seen.sizes


def powertools() -> None:
    """Powertools logs and counts."""
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit
    from aws_lambda_powertools.utilities.typing import LambdaContext

    assert LambdaContext is not None
    metrics = Metrics(namespace="Strata", service="smoke")
    metrics.add_metric(name="ImagesReturned", unit=MetricUnit.Count, value=1)
    assert "ImagesReturned" in metrics.serialize_metric_set()
    Logger(service="smoke").info("request done", images=1)


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    data = document()
    pages(data)
    images(data)
    powertools()
    return {name: version(name) for name in ("pymupdf", "aws-lambda-powertools")}
