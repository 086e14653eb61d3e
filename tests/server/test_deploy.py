"""Compose file, Kubernetes manifests and Dockerfile: they cannot be run here, but what they say of the server is held
against the server."""

import argparse
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from toy_ear import StartServer

from server import serve
from server.config import Config

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent.parent
KUBERNETES = ROOT / "deploy" / "kubernetes"


def manifests() -> dict[tuple[str, str], Any]:
    found = {}
    for path in sorted(KUBERNETES.glob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            found[manifest["kind"], manifest["metadata"]["name"]] = manifest
    return found


def parsed(options: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    serve.add_arguments(parser)
    return parser.parse_args(options)


def entry_point(target: str) -> list[str]:
    text = (ROOT / "Dockerfile").read_text()
    stage = re.search(rf"^FROM \S+ AS {target}$(.*?)(?=^FROM|\Z)", text, re.MULTILINE | re.DOTALL)
    assert stage is not None
    found = re.search(r"^ENTRYPOINT (.*)$", stage[1], re.MULTILINE)
    assert found is not None and "\nUSER 10001\n" in stage[1], "not as root"
    command: list[str] = yaml.safe_load(found[1])
    assert command[:2] == ["talaqqi", "serve"]
    return command[2:]


def test_the_image_is_the_small_one_unless_another_is_asked_for() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE)[-1] == "cpu"
    assert parsed(entry_point("cpu")).engine == "onnx" and parsed(entry_point("gpu")).engine == "torch"
    base = text.partition("AS gpu")[0]
    assert "torch" not in base.partition("FROM python")[2]
    for source in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split())


def test_compose_starts_the_server_with_options_that_it_takes() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = compose["services"]
    arguments = parsed(entry_point("cpu") + services["talaqqi"]["command"])
    assert arguments.workers == 2 and arguments.host == "127.0.0.1" and arguments.proxied
    assert str(arguments.secret_file) == "/run/secrets/roles" and "roles" in compose["secrets"]
    assert services["talaqqi"]["environment"]["TALAQQI_REDIS"].startswith("redis://:${REDIS_PASSWORD")
    assert set(services["talaqqi"]["depends_on"]) <= services.keys()
    for name in ("redis", "postgres"):
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"]), "on this machine only"
    grace_s = int(services["talaqqi"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > Config.__dataclass_fields__["drain_s"].default
    used = {volume.partition(":")[0] for service in services.values() for volume in service.get("volumes", ())}
    assert used == compose["volumes"].keys()


def test_kubernetes_asks_the_server_for_what_it_answers() -> None:
    found = manifests()
    deployment = found["Deployment", "talaqqi"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    arguments = parsed(entry_point("cpu") + container["args"])
    assert arguments.port == container["ports"][0]["containerPort"] == container["ports"][0]["hostPort"]
    assert pod["hostNetwork"] and pod["securityContext"]["runAsNonRoot"]
    stop_s = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > stop_s + Config.__dataclass_fields__["drain_s"].default
    probes = {container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes == {"/healthz", "/readyz"} and container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    labels = deployment["template"]["metadata"]["labels"].items()
    for kind in ("PodDisruptionBudget", "Service"):
        spec = found[kind, "talaqqi"]["spec"]
        selector = spec["selector"].get("matchLabels", spec["selector"])
        assert selector.items() <= labels, kind
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    assert {variable["name"] for variable in container["env"]} == {"TALAQQI_REDIS", "TALAQQI_DATABASE"}
    assert all(manifest["metadata"]["namespace"] == "talaqqi" for manifest in found.values())


async def test_the_paths_that_are_probed_exist(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    for path in ("healthz", "readyz", "metrics"):
        async with http.get(f"{running.url}{path}") as response:
            assert response.status == 200, path
