"""What docs/metrics.md and the dashboard name is what the daemon writes."""

import json
import re

from programs import TOP

SOURCE = (TOP / "daemon" / "metrics.cc").read_text()
NAME = r"stasis_[a-z_]+[a-z]"
# With their kinds: a histogram and a summary have names of their own for what is in them.
KINDS = dict(re.findall(rf'(?:head|lone)\(\s*"({NAME})",\s*"([a-z]+)"', SOURCE))
PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
WRITTEN = {name + part for name, kind in KINDS.items() for part in PARTS.get(kind, ("",))}


def test_the_names_are_found():
    assert {"stasis_checkpoints_total", "stasis_frozen_seconds", "stasis_workers"} <= set(KINDS)
    assert set(re.findall(rf'value\(\s*"({NAME})"', SOURCE)) <= WRITTEN


def test_the_page_tells_every_metric_and_its_kind():
    page = (TOP / "docs" / "metrics.md").read_text()
    assert dict(re.findall(rf"(?m)^\| `({NAME})[{{}}a-z,]*` \| ([a-z]+) \|", page)) == KINDS


def test_the_dashboard_names_what_is_written_and_all_of_it():
    dashboard = json.loads((TOP / "etc" / "grafana" / "stasis.json").read_text())
    assert (dashboard["title"], dashboard["uid"]) == ("Stasis", "stasis")
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for expression in expressions for name in re.findall(NAME, expression)}
    assert named == WRITTEN
    labels = {label for expression in expressions for group in re.findall(r"by \(([a-z, ]+)\)", expression) for label in group.split(", ")}
    assert labels <= set(re.findall(r'[{,]([a-z]+)=\\"', SOURCE))
    for panel in dashboard["panels"]:
        assert panel["title"] and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(set(places)) == len(places) and len({p["id"] for p in dashboard["panels"]}) == len(places)
