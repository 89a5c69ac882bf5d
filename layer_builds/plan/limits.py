"""Lambda's limits on what a function carries: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""

MAX_LAYERS = 5
MAX_UNZIPPED_BYTES = 262_144_000
"""Function code and all its layers together, unzipped; so no layer and no file in one can be larger either."""
MAX_IMAGE_BYTES = 10 * 1024**3
"""A container image, uncompressed, its base included."""
