"""What a command must not pay for: measured by what it imports and starts, not by the clock."""

from __future__ import annotations

import subprocess
import sys

import pytest


def imported(module: str) -> set[str]:
    """Every module that is there after importing `module` in a new interpreter."""
    code = f"import sys, {module}; print('\\n'.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("verb", ["get", "describe", "apply", "delete", "refresh"])
def test_a_local_drop_needs_no_asyncssh(verb: str) -> None:
    """One server, nothing else: asyncssh comes with the first node that is reached over SSH."""
    assert "asyncssh" not in imported(f"skate.cli.{verb}, skate.drops.local")


def test_reading_the_cluster_does_not_pay_for_what_only_writing_needs() -> None:
    names = imported("skate.cli.get")
    assert not {"skate.manifests", "skate.sandbox", "skate.nodesetup", "skate.publishing"} & names


def test_reaching_a_node_starts_no_compiler() -> None:
    code = (
        "import subprocess\n"
        "def popen(*arguments, **flags): raise AssertionError(arguments)\n"
        "subprocess.Popen = popen\n"
        "import ctypes.util; find = ctypes.util.find_library\n"
        "import skate.drops.sftp\n"
        "assert ctypes.util.find_library is find\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
