"""The words of `skate sandbox`, without a node."""

from __future__ import annotations

import os

import pytest

from skate.cli import main


@pytest.fixture(autouse=True)
def no_sandboxes(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SKATE_SANDBOX_DIR", str(tmp_path / "sandboxes"))
    monkeypatch.setenv("SKATECONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.parametrize(
    "argv",
    [["exec", "node-1", "--", "true"], ["ssh", "lab/node-1"], ["stop", "node-1"], ["heal", "-s", "lab", "node-1"]],
)
def test_a_node_of_no_sandbox_is_an_error_that_says_so(argv, capsys) -> None:
    assert main.run(["sandbox", *argv]) == 1
    assert "there is no sandbox" in capsys.readouterr().err


def test_an_empty_list_says_so(capsys) -> None:
    assert main.run(["sandbox", "list"]) == 0
    assert "No sandboxes found" in capsys.readouterr().err


def test_deleting_twice_is_fine(capsys) -> None:
    assert main.run(["sandbox", "delete", "lab"]) == 0
    assert "sandbox/lab not found" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["list"], ["delete"], ["exec", "node-1", "true"], ["create"]])
def test_everything_needs_root(argv, monkeypatch, capsys) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main.run(["sandbox", *argv]) == 1
    assert "run it with sudo" in capsys.readouterr().err
