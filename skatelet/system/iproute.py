"""What skatelet asks of the kernel's routing, by `ip`, `bridge` and `nft`: many lines a process, as each costs 3 to 4 ms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skatelet.paths import Paths
from skatelet.system import command

Words = tuple[str, ...]


class Kernel:
    """The routing of this host."""

    def __init__(self, paths: Paths) -> None:
        self._forwarding = paths.proc("sys/net/ipv4/ip_forward")

    def look(self, lines: Sequence[Words]) -> str:
        """What `ip` says to each line, numbers as numbers: one line of JSON each. Raises CommandError."""
        return command.run(["ip", "-N", "-j", "-d", "-4", "-batch", "-"], stdin=_text(lines))

    def forwards(self, device: str) -> str:
        """The forwarding entries of `device`, as JSON. Raises CommandError."""
        return command.run(["bridge", "-j", "fdb", "show", "dev", device])

    def table(self, family: str, name: str) -> str:
        """A table of nftables as JSON; empty where there is none. Raises CommandError where nft cannot be run."""
        try:
            return command.run(["nft", "-j", "list", "table", family, name])
        except command.CommandError as error:
            if "No such file or directory" in error.stderr and error.exit_code > 0:
                return ""
            raise

    def forwarding(self) -> str:
        """The kernel's ip_forward, as it stands in /proc; empty where it cannot be read."""
        try:
            return self._forwarding.read_text(encoding="ascii")
        except OSError:
            return ""

    def forward(self) -> None:
        """Switch IP forwarding on. Raises OSError."""
        self._forwarding.write_text("1\n", encoding="ascii")

    def ip(self, lines: Sequence[Words]) -> Mapping[Words, str]:
        """Do each line, also after one that fails; those that failed, with the kernel's words. Raises CommandError."""
        return _batch("ip", lines)

    def bridge(self, lines: Sequence[Words]) -> Mapping[Words, str]:
        """As `ip`."""
        return _batch("bridge", lines)

    def load(self, table: str) -> None:
        """Load a file of nftables, in one transaction. Raises CommandError."""
        command.run(["nft", "-f", "-"], stdin=table)


def failures(lines: Sequence[Words], stderr: str) -> Mapping[Words, str]:
    """The failed lines of a batch out of its stderr: words of the kernel's, followed by `Command failed -:<line>`."""
    found: dict[Words, str] = {}
    said: list[str] = []
    for text in stderr.splitlines():
        before, marker, number = text.partition("Command failed -:")
        if not marker:
            said.append(text.removeprefix("Error: ").removeprefix("RTNETLINK answers: ").strip())
            continue
        if number.strip().isdigit() and 0 < int(number) <= len(lines):
            found[lines[int(number) - 1]] = (said or [before or "refused"])[0]
        said = []
    return found


def _batch(program: str, lines: Sequence[Words]) -> Mapping[Words, str]:
    if not lines:
        return {}
    try:
        command.run([program, "-force", "-batch", "-"], stdin=_text(lines))
    except command.CommandError as error:
        failed = failures(lines, error.stderr)
        if not failed:
            raise
        return failed
    return {}


def _text(lines: Sequence[Words]) -> str:
    return "".join(f"{' '.join(words)}\n" for words in lines)
