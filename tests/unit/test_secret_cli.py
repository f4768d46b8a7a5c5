"""Secrets as they are typed: applied, shown, revealed, refused; and that no value is anywhere but where it is asked for."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skate import drops, publishing, registry, sealing, waiting
from skate.cli import main
from tests.unit import drops_world

PASSWORD = "correct-horse-battery-staple"
Skate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, drops_world.Node]:
    made = {name: drops_world.Node(tmp_path / "nodes" / name, name) for name in drops_world.NAMES}
    monkeypatch.setattr(drops, "connect", drops_world.connector(made))
    monkeypatch.setattr(publishing, "CLAIM_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(waiting, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)
    return made


@pytest.fixture
def skate(tmp_path: Path, nodes: dict[str, drops_world.Node], capsys: pytest.CaptureFixture[str]) -> Iterator[Skate]:
    """Runs skate on a manifest; the exit code, stdout and stderr. Nodes wake by themselves meanwhile."""
    path = tmp_path / "config.yaml"
    key = tmp_path / "test.seal"
    sealing.save(sealing.generate(), key)
    entry = registry.ClusterEntry(name=drops_world.CLUSTER, nodes=drops_world.entries(), seal_key=str(key))
    registry.save(registry.Registry(current_context=drops_world.CLUSTER, clusters=[entry]), path)
    over = threading.Event()

    def keep_awake() -> None:
        while not over.wait(0.005):
            for node in nodes.values():
                if any(node.paths.inbox.iterdir()):
                    node.wake()

    awake = threading.Thread(target=keep_awake)
    awake.start()

    def run(*arguments: str, manifest: object = None) -> tuple[int, str, str]:
        (tmp_path / "m.json").write_text(json.dumps(manifest))
        files = [str(tmp_path / item) if item == "m.json" else item for item in arguments]
        code = main.run(["--skateconfig", str(path), *files])
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    over.set()
    awake.join()


def secret(password: object = PASSWORD, **fields: object) -> dict[str, object]:
    metadata = {"name": "db"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": password}, **fields}


def holding(folder: Path, text: str) -> list[Path]:
    """The files below `folder` that hold `text`, as it is or in base64."""
    forms = [text.encode(), base64.b64encode(text.encode())]
    return [path for path in folder.rglob("*") if path.is_file() and any(form in path.read_bytes() for form in forms)]


def test_a_secret_is_applied_once_and_its_value_is_nowhere_but_where_it_is_revealed(
    skate: Skate, tmp_path: Path
) -> None:
    code, out, err = skate("apply", "-f", "m.json", manifest=secret())
    assert (code, out) == (0, "secret/db created\n")
    assert PASSWORD not in err
    code, out, err = skate("apply", "-f", "m.json", manifest=secret())
    assert (code, out) == (0, "secret/db unchanged\n")
    assert "generation" not in err
    assert holding(tmp_path / "nodes", PASSWORD) == []
    shown = [skate("get", "secret", "db", "-o", form) for form in ("yaml", "json", "wide")]
    shown += [
        skate("describe", "secret", "db"),
        skate("apply", "-f", "m.json", "--dry-run=server", manifest=secret("x")),
    ]
    assert [code for code, _, _ in shown] == [0] * 5
    assert PASSWORD not in str(shown)
    assert skate("secret", "reveal", "db") == (0, f"stringData:\n  password: {PASSWORD}\n", "")
    assert skate("secret", "reveal", "db", "--key", "password") == (0, PASSWORD, "")


def test_a_changed_secret_is_configured_and_every_node_has_it(skate: Skate, nodes: dict[str, drops_world.Node]) -> None:
    skate("apply", "-f", "m.json", manifest=secret())
    assert skate("apply", "-f", "m.json", manifest=secret("other"))[1] == "secret/db configured\n"
    assert skate("secret", "reveal", "db", "--key", "password")[1] == "other"
    assert {node.own.index.generation for node in nodes.values() if node.own} == {2}


def test_what_is_not_there_is_said_as_kubectl_does(skate: Skate) -> None:
    skate("apply", "-f", "m.json", manifest=secret())
    assert skate("secret", "reveal", "nope") == (1, "", 'Error from server (NotFound): secrets "nope" not found\n')
    code, out, err = skate("secret", "reveal", "db", "--key", "nope")
    assert (code, out) == (1, "")
    assert "it has password" in err


def test_an_immutable_secret_is_not_changed(skate: Skate) -> None:
    skate("apply", "-f", "m.json", manifest=secret(immutable=True))
    code, out, err = skate("apply", "-f", "m.json", manifest=secret("other", immutable=True))
    assert (code, out) == (1, "")
    assert "data: Forbidden: field is immutable when `immutable` is set" in err
    assert skate("secret", "reveal", "db", "--key", "password")[1] == PASSWORD


def test_another_machines_key_is_refused_and_names_what_to_do(skate: Skate, tmp_path: Path) -> None:
    skate("apply", "-f", "m.json", manifest=secret())
    sealing.save(sealing.generate(), tmp_path / "test.seal")
    for arguments in (["apply", "-f", "m.json"], ["secret", "reveal", "db"]):
        code, out, err = skate(*arguments, manifest=secret("other"))
        assert (code, out) == (1, "")
        assert "is not that of cluster test" in err
        assert "create node" in err


def test_without_the_private_key_a_secret_can_be_applied_but_not_revealed(skate: Skate, tmp_path: Path) -> None:
    skate("apply", "-f", "m.json", manifest=secret())
    kept = (tmp_path / "test.seal").read_bytes()
    (tmp_path / "test.seal").unlink()
    code, _, err = skate("secret", "reveal", "db")
    assert code == 1
    assert "this machine has no seal key of cluster test" in err
    code, out, err = skate("apply", "-f", "m.json", manifest=secret("other"))
    assert (code, out) == (0, "secret/db configured\n")
    assert "is sealed anew" in err
    (tmp_path / "test.seal").write_bytes(kept)
    assert skate("secret", "reveal", "db", "--key", "password")[1] == "other"


@pytest.mark.parametrize(
    "manifest",
    [
        secret([PASSWORD]),
        secret(**{"data": {"password": f"{PASSWORD}!"}}),
        secret(**{"data": {"a": 1, "b": PASSWORD * 2}}),
        secret(**{"stringData": PASSWORD}),
        secret(**{"type": "kubernetes.io/tls", "data": {"tls.key": base64.b64encode(PASSWORD.encode()).decode()}}),
        secret(**{"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": PASSWORD}}),
    ],
)
def test_a_mistake_is_said_without_the_value(skate: Skate, manifest: object) -> None:
    code, out, err = skate("apply", "-f", "m.json", manifest=manifest)
    assert (code, out) == (1, "")
    assert "Secret default/db" in err
    assert PASSWORD not in err
    assert base64.b64encode(PASSWORD.encode()).decode() not in err


def test_a_bundle_that_is_full_of_secrets_stays_one_that_nodes_take(skate: Skate) -> None:
    items = [secret(PASSWORD * 100) | {"metadata": {"name": f"s{number}"}} for number in range(30)]
    code, out, _ = skate("apply", "-f", "m.json", manifest={"apiVersion": "v1", "kind": "List", "items": items})
    assert code == 0
    assert len(out.splitlines()) == 30
