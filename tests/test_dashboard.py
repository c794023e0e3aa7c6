"""What is written about /metrics: the dashboard and the documentation."""

import json
import re
from pathlib import Path

from tests.watching import watched

ROOT = Path(__file__).parents[1]


def families(tmp_path: Path) -> set[str]:
    """The names of all metrics that a page has, with the suffixes that queries use."""
    with watched(tmp_path) as it:
        return set(re.findall(r"^# TYPE (\S+)", it.page().text, re.MULTILINE))


def test_dashboard_and_documentation_name_what_is_served(tmp_path: Path) -> None:
    """Every metric in the dashboard and in the documentation is one that /metrics has, and every
    one that it has is in both."""
    served = families(tmp_path)
    assert len(served) >= 15
    dashboard = json.loads((ROOT / "examples/grafana/dashboard.json").read_text())
    assert dashboard["schemaVersion"] >= 39
    panels = [each for each in dashboard["panels"] if each["type"] != "row"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    page = (ROOT / "docs/observing.md").read_text()
    for where, text in (("dashboard", "\n".join(queries)), ("documentation", page)):
        named = {
            re.sub(r"_(bucket|count|sum)$", "", each) if each not in served else each
            for each in re.findall(r"\bgql_auth_[a-z_]+\b", text)
        } - {"gql_auth_events"}
        assert named == served, where


def test_the_dashboards_panels_do_not_overlap() -> None:
    """Panels have ids of their own and places of their own on a grid of 24 columns."""
    dashboard = json.loads((ROOT / "examples/grafana/dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"], panel["title"]
