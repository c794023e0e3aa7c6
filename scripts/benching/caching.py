"""Part g: what the cache of verified tokens is worth: with every token in it, and with none."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from scripts.benching.contenders import COLUMNS, compared
from scripts.benching.figures import Section
from scripts.benching.protected import NO_CACHE, Stage
from scripts.benching.scene import Scene

_HITS, _MISSES, _OFF = "every token in the cache", "none in it", "no cache"


def caching(scene: Scene) -> Iterator[Section]:
    """At 100 % hits, at 0 %, and without."""
    with ExitStack() as stack:
        stage = Stage(scene, "caching", stack)
        stage.ours(_HITS)
        stage.ours(_MISSES, TOKEN_CACHE=str(max(scene.effort.users // 10, 1)))
        stage.ours(_OFF, **NO_CACHE)
        stage.measure(scene.effort)
    found = stage.contenders
    section = Section("Cache of verified tokens", COLUMNS, about=_ABOUT)
    section.rows.extend(each.row for each in found.values())
    section.ratios += [
        compared("g.hits", "every token cached, to no cache", found[_HITS], found[_OFF]),
        compared("g.misses", "no token cached, to no cache", found[_MISSES], found[_OFF]),
    ]
    yield section


_ABOUT: Final = """\
The protected query as above, with tokens of ES256: the cache as it is by default, one that holds a
tenth of the tokens, which come by turns and so are never found in it, and none.
"""
