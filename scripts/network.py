"""How packages are reached here: uv is told what pip is told, and the system's certificates are the second try.

Owns the search for an index and for certificates, and what is said when there are none. Standard library only.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
from pathlib import Path

ETC = Path("/etc")
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS")
"""What uv reads; whoever sets one of them decides."""
_UNTRUSTED = re.compile(r"invalid peer certificate|CERTIFICATE_VERIFY_FAILED|No CA certificates were loaded")
_UNREACHED = re.compile(r"Failed to (?:fetch|download)|error sending request|No matching distribution|urlopen error")
_FULL = re.compile(r"No space left on device|Disk quota exceeded|os error 28\b")
_UV_HINT = re.compile(r"\s*hint: Consider enabling use of system TLS certificates[^\n]*")
"""Names an option of uv's that nobody can pass to make."""
_TRUST_REMEDY = (
    "Nobody that this machine trusts has signed the package index's certificate, as behind a proxy that inspects TLS: "
    "`export SSL_CERT_FILE=/path/to/your-ca.pem` and run make again"
)
_INDEX_REMEDY = (
    "No package index was reached: check this machine's network and run make again. If packages come from an index of "
    "your own: `export UV_DEFAULT_INDEX=https://…/simple` first"
)
_DISK_REMEDY = "The disk is full: environment and builds take about 3 GB of this folder. Make room and run make again"


def environment(variables: dict[str, str], *, system_certificates: bool) -> dict[str, str]:
    """Variables for uv, and for whatever else fetches packages.

    Args:
        variables: This process's.
        system_certificates: Trust those of the operating system; else pip's, else uv's own.

    Returns:
        The same and, where they say nothing of it to uv, pip's index and certificates.
    """
    told = dict(variables)
    index = pip_setting("index-url", variables)
    if index and not any(name in variables for name in INDEX_VARIABLES):
        told["UV_DEFAULT_INDEX"] = index
    if not any(name in variables for name in CERTIFICATE_VARIABLES):
        found = pip_setting("cert", variables) or variables.get("REQUESTS_CA_BUNDLE") or variables.get("CURL_CA_BUNDLE")
        if system_certificates:
            told["UV_SYSTEM_CERTS"] = "true"
        elif found and Path(found).exists():
            told["SSL_CERT_DIR" if Path(found).is_dir() else "SSL_CERT_FILE"] = found
    return told


def untrusted(problem: str) -> bool:
    """Whether uv or pip failed over a certificate."""
    return _UNTRUSTED.search(problem) is not None


def explained(problem: str) -> str:
    """What uv or pip said, and what to do about it in one line where that is the network's doing or the disk's."""
    remedies = ((_FULL, _DISK_REMEDY), (_UNTRUSTED, _TRUST_REMEDY), (_UNREACHED, _INDEX_REMEDY))
    remedy = next((remedy for sign, remedy in remedies if sign.search(problem)), "")
    return f"{_UV_HINT.sub('', problem)}\n{remedy}".strip()


def pip_setting(name: str, variables: dict[str, str]) -> str | None:
    """A setting of `pip install`, from its variable or its files: https://pip.pypa.io/en/stable/topics/configuration/."""
    variable = variables.get("PIP_" + name.upper().replace("-", "_"))
    if variable:
        return variable
    parser = configparser.RawConfigParser()
    for file in _pip_files(variables):
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            print(f"{file} was passed over: {error}", file=sys.stderr)
    return parser.get("install", name, fallback=None) or parser.get("global", name, fallback=None)


def _pip_files(variables: dict[str, str]) -> list[Path]:
    own = variables.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return []
    home = Path(variables.get("HOME") or Path.home())
    shared = [Path(folder) / "pip" for folder in variables.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)]
    user = [home / ".pip", Path(variables.get("XDG_CONFIG_HOME") or home / ".config") / "pip"]
    if sys.platform == "darwin":
        shared.append(Path("/Library/Application Support/pip"))
        user.append(home / "Library/Application Support/pip")
    folders = [*shared, ETC, *user, Path(sys.prefix)]
    return [*(folder / "pip.conf" for folder in folders), *([Path(own)] if own else [])]
