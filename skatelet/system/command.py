"""Run one foreign command, never through a shell, and keep everything about it when it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


class CommandError(Exception):
    """A command that failed: its argument list, exit code (-1 when it never ran or took too long) and output."""

    def __init__(self, argv: Sequence[str], exit_code: int, stdout: str, stderr: str) -> None:
        self.argv = list(argv)
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr
        last = (stderr.strip() or stdout.strip() or "no output").splitlines()[-1]
        super().__init__(f"{self.argv[0]} failed with {exit_code}: {last}")


def run(argv: Sequence[str], *, timeout: float = 30, stdin: str = "") -> str:
    """The standard output of `argv`, given `stdin`. Raises CommandError; `timeout` is in seconds."""
    try:
        done = subprocess.run(list(argv), input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise CommandError(argv, -1, "", f"no answer within {timeout:g} s") from error
    except OSError as error:
        raise CommandError(argv, -1, "", str(error)) from error
    if done.returncode:
        raise CommandError(argv, done.returncode, done.stdout, done.stderr)
    return done.stdout
