"""The lists in .importlinter name every room there is: a new one is not left out of the rules by forgetting it."""

from __future__ import annotations

import configparser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_part_of_skatelet_but_the_contract_is_forbidden_to_skate() -> None:
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    listed = set(rules["importlinter:contract:cli-imports-only-the-contract"]["forbidden_modules"].split())
    parts = {
        path.stem for path in (ROOT / "skatelet").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert listed == {f"skatelet.{part}" for part in parts - {"__init__", "contract"}}
