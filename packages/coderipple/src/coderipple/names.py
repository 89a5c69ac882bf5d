"""Names of files that programs, agents, GitHub or an operating system read in their own way.

Owns the lists; which paths may be written is `documents.py`'s to say.
"""

from __future__ import annotations

import re
from typing import Final

READ_BY_TOOLS: Final = re.compile(
    r"(.*/)?([^/]*(requirements?|constraints?|reqs)([^/]*\.txt|/.+\.txt)|cmakelists\.txt|meson_options\.txt|conanfile\.txt"
    r"|robots\.txt|(app-)?ads\.txt|security\.txt|sitemap\.txt|(dependencies|packages|runtime|apt|environment)\.txt"
    r"|([^/]*[-_.])?llms(-full)?\.txt)",
    re.IGNORECASE,
)
"""Texts that programs obey: what is installed, built, crawled or asked. A path, since pip's are in folders, too."""
READ_BY_AGENTS: Final = re.compile(
    r"(.*/)?((agents?|claude|gemini|qwen|warp|crush|skill)([-_.](local|override))?"
    r"|(agents?|claude|gemini|codex|copilot|cursor|cline|windsurf|roo|junie|goose)[-_.]?(instructions|rules|hints)"
    r"|[^/]+\.(instructions|prompt|chatmode|agent))\.(md|mdx|rst|txt)",
    re.IGNORECASE,
)
"""Files whose text coding agents take as orders, wherever in a repository they are."""
READ_BY_GITHUB: Final = re.compile(
    r"(.*/)?((pull_request|issue|discussion)_template(\.[^/]+|/.+)|codeowners(\.[^/]+)?|funding(\.[^/]+)?)",
    re.IGNORECASE,
)
"""What GitHub puts into forms or obeys, also from docs/. Policies that it only links to are documents like others."""
DEVICES: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9])(\..*)?", re.IGNORECASE)
"""No file of such a name can be checked out on Windows, nor a folder."""
