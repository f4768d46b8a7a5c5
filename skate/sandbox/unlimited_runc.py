#!/usr/bin/python3 -IS
"""An OCI runtime for test nodes only: runc, without the limits that the machine below cannot keep.

Put into a node by `limits` when the machine's kernel has no cgroup v2 controllers: runc would refuse to start any container that
has a limit of memory, cpu or processes. Everything else, hooks and devices included, is runc's own. Imports nothing of skate.
"""

import json
import os
import sys

RUNC = "/usr/bin/runc"
UNKEEPABLE = ("memory", "cpu", "pids", "blockIO", "hugepageLimits", "unified")


def main(argv: list[str]) -> None:
    if "create" in argv or "run" in argv:
        argv = with_bundle(argv, unlimited(bundle(argv)))
    os.execv(RUNC, ["runc", *argv])  # noqa: S606


def bundle(argv: list[str]) -> str:
    """The bundle's directory, as podman's conmon gives it."""
    return argv[argv.index("--bundle") + 1]


def with_bundle(argv: list[str], directory: str) -> list[str]:
    """The same arguments for another bundle."""
    position = argv.index("--bundle") + 1
    return [*argv[:position], directory, *argv[position + 1 :]]


def unlimited(directory: str) -> str:
    """A bundle inside the bundle in `directory` that is the same but for the limits; returns its directory.

    The given one stays as it is: `podman inspect` tells a container's limits from it.
    """
    with open(os.path.join(directory, "config.json"), encoding="utf-8") as stream:
        config = json.load(stream)
    resources = config.get("linux", {}).get("resources", {})
    for name in UNKEEPABLE:
        resources.pop(name, None)
    inner = os.path.join(directory, "unlimited")
    os.makedirs(inner, exist_ok=True)
    with open(os.path.join(inner, "config.json"), "w", encoding="utf-8") as stream:
        json.dump(config, stream)
    return inner


if __name__ == "__main__":
    main(sys.argv[1:])
