"""Manifests as files. `refused/<case>.yaml` has one mistake, and `<case>.expected` every line that is said about it;
`accepted/<case>.yaml` has none, and `<case>.expected` holds what is kept of it and what is warned of. Adding a case is
adding two files."""

from __future__ import annotations

from pathlib import Path

import pytest

from skate import errors, manifests
from skatelet.contract import canonical

HERE = Path(__file__).parent
REFUSED = sorted((HERE / "refused").glob("*.yaml"))
ACCEPTED = sorted(path for path in (HERE / "accepted").iterdir() if path.suffix in (".yaml", ".json"))


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_a_manifest_with_one_mistake_is_refused_naming_line_and_field(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    with pytest.raises(errors.ManifestError) as refusal:
        manifests.load([path.name])
    assert refusal.value.details == path.with_suffix(".expected").read_text().splitlines()
    assert refusal.value.exit_code == 1


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_a_manifest_that_kubernetes_takes_is_kept_as_it_was_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    loaded = manifests.load([path.name])
    expected = canonical.load(path.with_suffix(".expected").read_bytes())
    assert {"objects": [item.data for item in loaded.objects], "warnings": loaded.warnings} == expected


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_kept_reads_back_as_the_same_manifest(path: Path) -> None:
    for item in manifests.load([str(path)]).objects:
        again = manifests.parse(canonical.load(canonical.dump(item.data)))
        assert (again.data, again.model, again.key) == (item.data, item.model, item.key)


def test_every_refused_case_makes_exactly_one_mistake() -> None:
    many = [path.name for path in REFUSED if len(path.with_suffix(".expected").read_text().splitlines()) != 1]
    assert many == []
    assert len(REFUSED) >= 100


def test_no_case_lies_without_its_manifest() -> None:
    stems = {path.with_suffix("") for path in (*REFUSED, *ACCEPTED)}
    orphans = [path for path in HERE.glob("*/*.expected") if path.with_suffix("") not in stems]
    assert orphans == []
