"""Image archives are told from plain root file systems; the test nodes' runtime takes limits out and nothing else."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from skate.errors import SkateError
from skate.sandbox import images, unlimited_runc


def tar_of(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w") as stream:
        for name in names:
            stream.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


@pytest.mark.parametrize(
    ("names", "archive"),
    [
        (("abc.tar", "manifest.json", "repositories"), True),
        (("./blobs/sha256/a", "./index.json", "./oci-layout"), True),
        (("./bin/sh", "./srv/index.json", "./etc/manifest.json"), False),
    ],
)
def test_an_image_archive_is_told_from_a_root_file_system(tmp_path: Path, names, archive: bool) -> None:
    assert images.is_archive(tar_of(tmp_path / "x.tar", *names)) is archive


def test_what_is_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("no tar")
    with pytest.raises(SkateError, match="cannot be read as a tar"):
        images.is_archive(tmp_path / "x.tar")


def test_the_runtime_takes_out_limits_and_nothing_else(tmp_path: Path) -> None:
    config = {
        "process": {"args": ["sh"]},
        "hooks": {"poststart": [{"path": "/usr/bin/touch"}]},
        "linux": {"resources": {"memory": {"limit": 1}, "cpu": {"quota": 1}, "pids": {"limit": 1}, "devices": ["d"]}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    inner = unlimited_runc.unlimited(str(tmp_path))
    config["linux"] = {"resources": {"devices": ["d"]}}
    assert json.loads(Path(inner, "config.json").read_text()) == config


def test_the_bundle_that_podman_inspects_keeps_its_limits(tmp_path: Path) -> None:
    text = json.dumps({"linux": {"resources": {"memory": {"limit": 1}}}})
    (tmp_path / "config.json").write_text(text)
    unlimited_runc.unlimited(str(tmp_path))
    assert (tmp_path / "config.json").read_text() == text


def test_only_the_bundle_changes_in_what_runc_is_asked() -> None:
    argv = ["--root", "/r", "create", "--bundle", "/b", "--pid-file", "/p", "id"]
    assert unlimited_runc.bundle(argv) == "/b"
    assert unlimited_runc.with_bundle(argv, "/b/unlimited") == [
        *("--root", "/r", "create", "--bundle", "/b/unlimited", "--pid-file", "/p", "id")
    ]
