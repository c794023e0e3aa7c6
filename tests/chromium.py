"""Debian's Chromium for the scripts of tests/node: where it is, and what it needs around it."""

from pathlib import Path
from typing import Any

from tests import debian

_FONTS = (debian.UNPACKED / "usr/share/fonts", Path("/usr/share/fonts"))


def given(folder: Path) -> dict[str, Any]:
    """What tests/node/chromium.mjs launches.

    Args:
        folder: for its list of fonts and whatever else it keeps at home.
    """
    fonts = folder / "fonts.conf"
    places = "".join(f"<dir>{place}</dir>" for place in _FONTS)
    fonts.write_text(f"<fontconfig>{places}<cachedir>{folder}/fonts</cachedir></fontconfig>\n")
    return {
        "executable": debian.chromium(),
        "environment": debian.environment()
        | {"HOME": str(folder), "TMPDIR": str(folder), "FONTCONFIG_FILE": str(fonts)},
    }
