"""The dashboard and the alert rules ask for figures that a server really has."""

import json
import re
from pathlib import Path

import aiohttp
import pytest
from toy_ear import StartServer

from server.reciter import Reciter, Recording

DEPLOY = Path(__file__).parents[2] / "deploy"
PANELS = [p for p in json.loads((DEPLOY / "grafana" / "talaqqi.json").read_text())["panels"] if p["type"] != "row"]
ASKED = {f"{panel['title']}: {t['refId']}": t["expr"] for panel in PANELS for t in panel["targets"]}
ALERTS = re.findall(r"- alert: (\w+)\n\s+expr: (.+)", (DEPLOY / "prometheus" / "alerts.yml").read_text())
SELECTOR = re.compile(r"(talaqqi_\w+)(?:\{([^}]*)\})?")
EQUAL = re.compile(r'(\w+)="([^"]*)"')
USES_LABELS = re.compile(r"by \(([\w, ]+)\)")


@pytest.fixture
async def figures(start_server: StartServer, http: aiohttp.ClientSession, tone: Recording) -> str:
    """The text of /metrics of a server that has had, and refused, a session."""
    running = await start_server()
    await Reciter(http, running.url, "112", tone).recite()
    running.server.metrics.refuse("full")
    async with http.get(f"{running.url}metrics") as response:
        return await response.text()


async def test_every_panel_and_alert_finds_its_figures(figures: str) -> None:
    series = [line for line in figures.splitlines() if not line.startswith("#")]
    names = {re.split(r"[{ ]", line)[0] for line in series}
    assert len(ASKED) > 30 and len(ALERTS) > 7
    for title, expression in {**ASKED, **dict(ALERTS)}.items():
        for name, labels in SELECTOR.findall(expression):
            assert name in names, f"{title}: there is no {name}"
            for label, value in EQUAL.findall(labels):
                # A reason is there once it happened.
                of_name = [line for line in series if line.startswith(f"{name}{{") and f"{label}=" in line]
                known = [line for line in of_name if f'{label}="{value}"' in line]
                assert known or (of_name and label == "reason"), f"{title}: no {name} has {label}={value}"
            grouped = {label.strip() for found in USES_LABELS.findall(expression) for label in found.split(",")}
            for label in grouped - {"instance"}:
                assert any(line.startswith(f"{name}{{") and f"{label}=" in line for line in series), (title, label)


async def test_every_figure_is_on_the_dashboard(figures: str) -> None:
    """But for those of a process, which Redis has, or which are the denominators of others."""
    shown = {name for expression in ASKED.values() for name, _ in SELECTOR.findall(expression)}
    families = set(re.findall(r"# TYPE (\w+)", figures))
    missing = {f for f in families if not any(name.startswith(f) for name in shown)}
    assert missing <= {"talaqqi_nodes", "talaqqi_redis_up"}
