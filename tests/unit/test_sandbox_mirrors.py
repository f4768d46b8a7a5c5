"""Nodes are built from the machine's own apt sources, in whichever format they are written."""

from __future__ import annotations

import pytest

from skate.errors import SkateError
from skate.sandbox import mirrors

DEB822 = """\
# the machine's own
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main
"""


def test_both_formats_of_sources_say_the_same() -> None:
    one_line = """\
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # ours
deb http://mirror.example/debian bookworm-updates main contrib
deb-src http://mirror.example/debian bookworm main
#deb http://disabled.example/debian bookworm main
deb http://mirror.example/debian-security bookworm-security main
"""
    assert mirrors.parse_one_line(one_line) == mirrors.parse_deb822(DEB822)
    assert {source.uri for source in mirrors.parse_deb822(DEB822)} == {
        "http://mirror.example/debian",
        "http://mirror.example/debian-security",
    }


def test_every_file_of_sources_is_read_and_nothing_else(tmp_path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example/debian trixie main\n")
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    (tmp_path / "sources.list.d/old.list.disabled").write_text("deb http://b.example/debian trixie main\n")
    uris = [source.uri for source in mirrors.machine_sources(tmp_path)]
    assert uris[0] == "http://a.example/debian"
    assert "http://mirror.example/debian-security" in uris
    assert "http://b.example/debian" not in uris


def test_a_machines_mirror_serves_another_release_of_its_distribution() -> None:
    lines = mirrors.apt_lines("trixie", sources=mirrors.parse_deb822(DEB822), codename="bookworm")
    assert [line.split("] ")[1] for line in lines] == [
        "http://mirror.example/debian trixie main",
        "http://mirror.example/debian trixie-updates main",
        "http://mirror.example/debian-security trixie-security main",
    ]


@pytest.mark.parametrize(
    ("release", "expected"),
    [("noble", "http://archive.ubuntu.com/ubuntu noble main universe"), ("trixie", "http://mirror.example/debian")],
)
def test_the_other_distribution_comes_from_the_official_archive(release: str, expected: str) -> None:
    lines = mirrors.apt_lines(release, sources=mirrors.parse_deb822(DEB822), codename="bookworm")
    assert expected in lines[0]


def test_sources_that_are_not_the_archive_are_not_taken_for_it() -> None:
    foreign = [
        mirrors.Source(uri="http://apt.example/tool", suite="stable-tool", components=("main",)),
        mirrors.Source(uri="cdrom:[Debian]/", suite="bookworm", components=("main",)),
        mirrors.Source(uri="http://apt.example/contrib-only", suite="bookworm", components=("contrib",)),
    ]
    lines = mirrors.apt_lines("bookworm", sources=foreign, codename="bookworm")
    assert "http://deb.debian.org/debian bookworm main" in lines[0]
    assert "http://deb.debian.org/debian-security bookworm-security main" in lines[2]


def test_an_unknown_release_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SkateError) as caught:
        mirrors.apt_lines("sid", sources=[], codename="bookworm")
    assert "noble" in caught.value.hint


def test_missing_archive_keys_are_reported_with_the_package_that_has_them(monkeypatch) -> None:
    monkeypatch.setitem(mirrors.KEYRINGS, "ubuntu", ("/nonexistent/keyring.gpg", "ubuntu-keyring"))
    with pytest.raises(SkateError) as caught:
        mirrors.require_keyring("noble")
    assert "/nonexistent/keyring.gpg" in caught.value.message
    assert "apt-get install ubuntu-" in caught.value.hint
