"""The tests of the CoreDNS plugin, which are in Go, and what builds it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "packaging" / "build-coredns"


@pytest.fixture
def build_coredns() -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader("build_coredns", str(SCRIPT))
    spec = importlib.util.spec_from_loader("build_coredns", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.timeout(600)
def test_the_plugin_passes_its_own_tests_formatted_and_vetted() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--test"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok  \tskate.invalid/coredns/gather" in done.stdout


def test_an_older_go_than_go_mod_asks_for_is_not_taken(
    build_coredns: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go(name: str, version: str) -> Path:
        path = tmp_path / name / "go"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")
        path.chmod(0o755)
        return path

    old, new, pinned = go("old", "go1.24.13"), go("new", "go1.25.0"), tmp_path / "pinned"
    monkeypatch.setattr(build_coredns, "_toolchain_from_pypi", lambda: pinned)
    monkeypatch.setattr(build_coredns, "USUAL_PLACES", (str(tmp_path / "none" / "go"),))
    monkeypatch.setattr(build_coredns.shutil, "which", lambda _: str(old))
    assert build_coredns.toolchain() == pinned
    monkeypatch.setattr(build_coredns, "USUAL_PLACES", (str(new),))
    assert build_coredns.toolchain() == new


def test_the_modules_are_pinned_and_go_is_by_hashes_for_both_architectures(build_coredns: types.ModuleType) -> None:
    module = (build_coredns.SOURCE / "go.mod").read_text()
    assert "github.com/coredns/coredns v1.14." in module
    assert "replace" not in module
    sums = (build_coredns.SOURCE / "go.sum").read_text()
    assert "github.com/coredns/coredns v1.14." in sums
    assert build_coredns.REQUIREMENTS.read_text().count("--hash=sha256:") == len(build_coredns.ARCHITECTURES)


def test_another_go_or_source_makes_another_build(
    build_coredns: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = Path("go")
    monkeypatch.setattr(build_coredns, "_version_of", lambda _: (1, 25, 0))
    first = build_coredns.inputs_digest(go, arch="amd64", bench=False)
    assert build_coredns.inputs_digest(go, arch="amd64", bench=False) == first
    assert build_coredns.inputs_digest(go, arch="arm64", bench=False) != first
    assert build_coredns.inputs_digest(go, arch="amd64", bench=True) != first
    monkeypatch.setattr(build_coredns, "_version_of", lambda _: (1, 26, 8))
    assert build_coredns.inputs_digest(go, arch="amd64", bench=False) != first
