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
        strip(bundle(argv))
    os.execv(RUNC, ["runc", *argv])  # noqa: S606


def bundle(argv: list[str]) -> str:
    """The bundle's directory as runc takes it from its arguments: the current one unless told."""
    for position, argument in enumerate(argv):
        if argument in ("--bundle", "-b"):
            return argv[position + 1]
        if argument.startswith("--bundle="):
            return argument.partition("=")[2]
    return "."


def strip(directory: str) -> None:
    """Take the limits out of the bundle's config.json."""
    path = os.path.join(directory, "config.json")
    with open(path, encoding="utf-8") as stream:
        config = json.load(stream)
    resources = config.get("linux", {}).get("resources", {})
    for name in UNKEEPABLE:
        resources.pop(name, None)
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(config, stream)


if __name__ == "__main__":
    main(sys.argv[1:])
