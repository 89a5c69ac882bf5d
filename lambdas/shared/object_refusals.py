"""Codes with which S3 refuses an object again and again, until somebody does something about it; and what. Pure."""

from __future__ import annotations

from typing import Final

REMEDIES: Final = {
    "InvalidObjectState": "it is archived: restore it, then copy it over itself into a storage class that can be read",
    "InvalidRequest": "S3 has it encrypted with a key of whoever put it (SSE-C), which the function does not have",
    "InvalidBucketName": "S3 takes this for no bucket's name",
}
OF_A_KEY: Final = "KMS."
"""What the codes begin with when a KMS key is disabled or going to be deleted."""
