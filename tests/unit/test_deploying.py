"""apply, delete and refresh as they are typed: what they print where, what they exit with, and what they leave alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skate import drops, publishing, registry, waiting
from skate.cli import main
from skatelet.contract import status
from tests.unit import drops_world

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: web, resources: {requests: {cpu: CPU}}}]}
"""
Skate = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, drops_world.Node]:
    made = {name: drops_world.Node(tmp_path / name, name) for name in drops_world.NAMES}
    monkeypatch.setattr(drops, "connect", drops_world.connector(made))
    monkeypatch.setattr(publishing, "CLAIM_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(waiting, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)
    return made


@pytest.fixture
def skate(tmp_path: Path, nodes: dict[str, drops_world.Node], capsys: pytest.CaptureFixture[str]) -> Iterator[Skate]:
    """Runs skate: its exit code and the lines of stdout and stderr. Nodes that are up wake by themselves meanwhile."""
    path = tmp_path / "config.yaml"
    cluster = registry.ClusterEntry(name=drops_world.CLUSTER, nodes=drops_world.entries())
    registry.save(registry.Registry(current_context=drops_world.CLUSTER, clusters=[cluster]), path)
    over = threading.Event()

    def keep_awake() -> None:
        while not over.wait(0.005):
            for node in nodes.values():
                if node.up and any(node.paths.inbox.iterdir()):
                    node.wake()

    awake = threading.Thread(target=keep_awake)
    awake.start()

    def run(*arguments: str, replicas: int = 3, cpu: str = "100m") -> tuple[int, list[str], list[str]]:
        (tmp_path / "web.yaml").write_text(WEB.replace("REPLICAS", str(replicas)).replace("CPU", cpu))
        files = [str(tmp_path / item) if item == "web.yaml" else item for item in arguments]
        code = main.run(["--skateconfig", str(path), *files])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    yield run
    over.set()
    awake.join()


def test_a_new_deployment_comes_with_a_plus(skate: Skate) -> None:
    code, out, err = skate("apply", "-f", "web.yaml")
    assert (code, out) == (0, ["deployment.apps/web created"])
    assert err[0] == "+ deployment.apps/web in default"
    assert [line.split()[3] for line in err if line.startswith("    + web-")] == ["n1", "n2", "n3"]
    assert err[4:7] == ["+ node/n1", "+ node/n2", "+ node/n3"]
    assert "generation 1 dropped on n1, n2, n3" in err
    assert sum(line.endswith(": Running") for line in err) == 3


def test_the_same_again_changes_nothing(skate: Skate, nodes: dict[str, drops_world.Node]) -> None:
    skate("apply", "-f", "web.yaml")
    assert skate("apply", "-f", "web.yaml") == (0, ["deployment.apps/web unchanged"], ["  1 unchanged"])
    assert [node.history for node in nodes.values()] == [[1]] * 3


def test_more_replicas_change_the_deployment_and_add_instances(skate: Skate) -> None:
    skate("apply", "-f", "web.yaml", replicas=2)
    code, out, err = skate("apply", "-f", "web.yaml", replicas=3)
    assert (code, out) == (0, ["deployment.apps/web configured"])
    assert err[0] == "~ deployment.apps/web in default"
    assert [line[:9] for line in err if line.startswith("    ")] == ["    + web"]


def test_what_goes_has_a_minus(skate: Skate, nodes: dict[str, drops_world.Node]) -> None:
    skate("apply", "-f", "web.yaml")
    code, out, err = skate("delete", "deployment", "web")
    assert (code, out) == (0, ['deployment.apps "web" deleted'])
    assert err[0] == "- deployment.apps/web in default"
    assert [line[:9] for line in err if line.startswith("    ")] == ["    - web"] * 3
    assert [node.objects for node in nodes.values()] == [set()] * 3


def test_a_dry_run_shows_the_plan_and_writes_nothing(skate: Skate, nodes: dict[str, drops_world.Node]) -> None:
    code, out, err = skate("apply", "-f", "web.yaml", "--dry-run=server")
    assert (code, out) == (0, ["deployment.apps/web created (server dry run)"])
    assert err[0] == "+ deployment.apps/web in default"
    assert not any("dropped" in line for line in err)
    for node in nodes.values():
        assert [list((node.paths.drop / name).iterdir()) for name in ("inbox", "claims", "upload")] == [[], [], []]


def test_what_fits_nowhere_changes_nothing(skate: Skate, nodes: dict[str, drops_world.Node]) -> None:
    code, out, err = skate("apply", "-f", "web.yaml", cpu="4")
    assert (code, out) == (1, [])
    assert err[0] == "error: nothing was changed: some instances fit on no node"
    assert "0/3 nodes are available: 3 Insufficient cpu" in err[1]
    assert not any(node.history for node in nodes.values())


def test_a_node_that_is_down_is_behind_and_catches_up(skate: Skate, nodes: dict[str, drops_world.Node]) -> None:
    nodes["n3"].up = False
    code, out, err = skate("apply", "-f", "web.yaml", replicas=2)
    assert (code, out) == (1, ["deployment.apps/web created"])
    assert "warning: node n3 is behind: no answer in time" in err
    assert err[-1] == "hint: when n3 can be reached again: skate refresh"
    nodes["n3"].up = True
    code, out, err = skate("refresh")
    assert (code, out) == (0, ["node/n1 unchanged", "node/n2 unchanged", "node/n3 unchanged"])
    assert "generation 1 caught up on n3" in err
    assert nodes["n3"].history == [1]


def test_where_nothing_was_to_be_done_a_silent_node_may_be_behind(
    skate: Skate, nodes: dict[str, drops_world.Node]
) -> None:
    skate("apply", "-f", "web.yaml", replicas=2)
    nodes["n3"].up = False
    code, _, err = skate("apply", "-f", "web.yaml", replicas=2)
    assert code == 1
    assert "warning: node n3 may be behind: no answer in time" in err


def test_below_a_majority_nothing_is_changed(skate: Skate, nodes: dict[str, drops_world.Node]) -> None:
    nodes["n2"].up = nodes["n3"].up = False
    code, out, err = skate("apply", "-f", "web.yaml")
    assert (code, out) == (1, [])
    assert err[0] == "error: only 1 of 3 nodes can be reached, which is no majority: nothing was changed"
    assert err[1:3] == ["  node n2: no answer in time", "  node n3: no answer in time"]
    assert "--without-quorum" in err[-1]


def test_a_node_that_never_takes_its_bundle_runs_into_the_timeout(
    skate: Skate, nodes: dict[str, drops_world.Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes["n2"], "wake", lambda: None)
    code, _, err = skate("apply", "-f", "web.yaml", "--timeout", "0.2s")
    assert code == 1
    assert "error: timed out after 0 s; the nodes go on by themselves, see `skate get pods`" in err
    assert any(
        line.startswith("error: pod/default/web-") and " on n2 is not there yet: Pending" in line for line in err
    )


def test_without_waiting_only_the_drop_counts(
    skate: Skate, nodes: dict[str, drops_world.Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes["n2"], "wake", lambda: None)
    code, _, err = skate("apply", "-f", "web.yaml", "--no-wait")
    assert (code, err[-1]) == (0, "generation 1 dropped on n1, n2, n3")


def test_what_a_node_says_reaches_the_terminal_without_its_escapes(
    skate: Skate, nodes: dict[str, drops_world.Node]
) -> None:
    evil = status.Rejection(time="", generation=1, reason="Altered\x1b[31m", message="\x1b]0;owned\x07")
    nodes["n2"].says = {"generation_seen": 0, "rejected": [evil]}
    code, _, err = skate("apply", "-f", "web.yaml")
    assert code == 1
    assert all(line.isprintable() for line in err)
    assert any("\\x1b]0;owned\\x07" in line for line in err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["delete", "pod", "nope"], 'Error from server (NotFound): pods "nope" not found'),
        (["delete", "deploy/nope", "ns/x"], 'Error from server (NotFound): deployments.apps "nope" not found'),
        (["get", "pod", "nope"], 'Error from server (NotFound): pods "nope" not found'),
        (["describe", "pod", "nope"], 'Error from server (NotFound): pods "nope" not found'),
        (["delete", "ns", "default"], 'error: namespaces "default" is forbidden: this namespace may not be deleted'),
        (["delete", "pods"], "error: resource(s) were provided, but no name was specified"),
        (["get", "xyz"], 'error: the server doesn\'t have a resource type "xyz"'),
        (["--context", "nope", "get", "pods"], 'error: context "nope" does not exist; known: test'),
        (["get", "pods", "-l", "a=b,"], 'error: unable to parse requirement: the selector "" cannot be read'),
    ],
)
def test_what_is_not_there_is_said_in_kubectls_words(skate: Skate, arguments: list[str], message: str) -> None:
    code, out, err = skate(*arguments)
    assert (code, out, err[0]) == (1, [], message)


def test_several_kinds_at_once_carry_their_kind_before_the_name(skate: Skate) -> None:
    skate("apply", "-f", "web.yaml", replicas=1)
    code, out, _ = skate("get", "deploy,nodes", "--no-headers")
    assert code == 0
    assert [line.split()[0] for line in out if line] == ["deployment.apps/web", "node/n1", "node/n2", "node/n3"]


def test_where_no_node_answers_get_says_so_and_fails(skate: Skate, nodes: dict[str, drops_world.Node]) -> None:
    skate("apply", "-f", "web.yaml", replicas=1)
    skate("get", "pods")
    for node in nodes.values():
        node.up = False
    code, out, err = skate("get", "pods")
    assert code == 1
    assert [line.split()[2] for line in out[1:]] == ["Unknown"]
    assert "error: no node can be reached: this is what they said last" in err
    code, out, _ = skate("get", "nodes")
    assert (code, [line.split()[1] for line in out[1:]]) == (0, ["NotReady"] * 3)


def test_a_verb_that_is_misspelt_is_answered_with_the_right_one(skate: Skate) -> None:
    code, _, err = skate("gett", "pods")
    assert (code, err[-1]) == (2, 'Error: unknown command "gett" for "skate"; did you mean "get"?')
