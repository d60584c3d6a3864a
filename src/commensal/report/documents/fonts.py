"""Which letters a PDF is set in. Latin letters come with the typesetter; Chinese ones with the machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from commensal.errors import InputError
from commensal.report.language import demand_language

LATIN = ("Libertinus Serif", "New Computer Modern", "DejaVu Sans Mono")

# Families with simplified Chinese letters that systems and font packages install, the plain ones first.
CHINESE = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC"),
    *("Hiragino Sans GB", "Microsoft YaHei", "Heiti SC", "STHeiti", "SimHei", "WenQuanYi Micro Hei"),
    *("WenQuanYi Zen Hei", "Noto Serif CJK SC", "Noto Serif SC", "Source Han Serif SC", "Songti SC"),
    *("STSong", "SimSun", "NSimSun", "FangSong", "KaiTi", "AR PL UMing CN", "Droid Sans Fallback"),
)


def families(lang: str, *, font_paths: Sequence[Path | str] = ()) -> tuple[str, ...]:
    """Return the font families of a language, the first preferred.

    English is set in letters that come with the typesetter, so that its bytes are the same everywhere.

    Refuses (:class:`~commensal.errors.InputError`) Chinese where no font with Chinese letters is found:
    boxes in place of words would be worse than no document.
    """
    demand_language(lang)
    if lang == "en":
        return LATIN
    return (LATIN[0], chosen(_installed(font_paths)), *LATIN[1:])


def chosen(installed: Sequence[str]) -> str:
    """Return the first family with Chinese letters among those installed."""
    have = set(installed)
    found = next((family for family in CHINESE if family in have), None)
    if found is None:
        raise InputError(
            "no font with Chinese letters was found for the PDF",
            expected=f"one of the families {', '.join(CHINESE[:4])} …",
            do="install one (Debian, Ubuntu: fonts-noto-cjk; Fedora: google-noto-sans-cjk-fonts), or name a "
            "folder that holds one; the HTML report in Chinese needs none",
        )
    return found


def _installed(font_paths: Sequence[Path | str]) -> list[str]:
    import typst  # heavy: late

    return typst.Fonts(font_paths=[str(path) for path in font_paths]).families()
