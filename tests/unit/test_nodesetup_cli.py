"""`skate create` and `skate config` as a user meets them: words, streams, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from skate import registry
from skate.cli import main

Skate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def skate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Skate:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main.run(["--skateconfig", str(tmp_path / "config.yaml"), *arguments])
        seen = capsys.readouterr()
        return code, seen.out, seen.err

    return run


def test_a_cluster_is_created_then_unchanged(skate: Skate) -> None:
    assert skate("create", "cluster", "home", "--cidr", "10.80.0.0/16")[:2] == (0, "cluster/home created\n")
    assert skate("create", "cluster", "home")[:2] == (0, "cluster/home unchanged\n")
    code, out, err = skate("create", "cluster", "home", "--cidr", "10.81.0.0/16")
    assert (code, out) == (1, "")
    assert "error: cluster home exists with the range 10.80.0.0/16, not 10.81.0.0/16\n" in err


def test_contexts_are_listed_and_chosen_as_kubectl_does(skate: Skate, tmp_path: Path) -> None:
    assert skate("config", "current-context") == (
        1,
        "",
        "error: current-context is not set\nhint: choose one with `skate config use-context NAME`\n",
    )
    assert skate("config", "get-contexts")[1] == "CURRENT   NAME   CIDR   NODES\n"
    skate("create", "cluster", "home")
    skate("create", "cluster", "office")
    with registry.edit(tmp_path / "config.yaml") as content:
        content.require("office").put_node(registry.NodeEntry(name="a", host="a", subnet="10.66.1.0/24"))
    assert skate("config", "get-contexts")[1].splitlines() == [
        "CURRENT   NAME     CIDR           NODES",
        "*         home     10.66.0.0/16   0",
        "          office   10.66.0.0/16   1",
    ]
    assert skate("config", "use-context", "office")[1] == 'Switched to context "office".\n'
    assert skate("config", "current-context")[1] == "office\n"
    assert skate("config", "get-contexts", "-o", "name")[1] == "home\noffice\n"
    assert skate("config", "get-contexts", "home", "--no-headers")[1].split() == ["home", "10.66.0.0/16", "0"]
    code, _, err = skate("config", "use-context", "nowhere")
    assert code == 1
    assert err.startswith('error: no context exists with the name: "nowhere"\n')
    assert skate("config", "current-context")[1] == "office\n"


def test_the_registry_is_shown(skate: Skate) -> None:
    skate("create", "cluster", "home")
    shown = json.loads(skate("config", "view", "-o", "json")[1])
    seal_key = shown["clusters"][0]["sealKey"]
    assert skate("config", "view")[1] == (f"clusters:\n- name: home\n  sealKey: {seal_key}\ncurrentContext: home\n")
    assert shown == {
        "clusters": [{"name": "home", "sealKey": seal_key}],
        "currentContext": "home",
    }


def test_a_node_needs_a_cluster_and_a_host(skate: Skate) -> None:
    code, _, err = skate("create", "node", "--name", "web", "--host", "web.invalid")
    assert code == 1
    assert "no cluster is chosen" in err
    skate("create", "cluster", "home")
    code, _, err = skate("create", "node", "--name", "web")
    assert code == 1
    assert "--host is missing" in err
    code, _, err = skate("create", "node", "--name", "web", "--host", "web.invalid", "--local")
    assert code == 1
    assert "--local and --host exclude each other" in err
    assert skate("create", "node", "--name", "web", "--host", "x", "--label", "novalue")[0] == 2


def test_a_host_that_is_not_there_changes_nothing(skate: Skate, tmp_path: Path) -> None:
    skate("create", "cluster", "home")
    before = (tmp_path / "config.yaml").read_bytes()
    code, out, err = skate("create", "node", "--name", "web", "--host", "nowhere.invalid")
    assert (code, out) == (1, "")
    assert "error: nowhere.invalid cannot be reached: its name is not known to DNS\n" in err
    assert (tmp_path / "config.yaml").read_bytes() == before


@pytest.mark.parametrize("verb", ["create", "config"])
def test_help_does_not_load_ssh(verb: str) -> None:
    program = (
        f"import sys; from skate.cli import main; main.run([{verb!r}, '--help']); sys.exit('asyncssh' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
