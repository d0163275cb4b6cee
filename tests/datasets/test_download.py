"""Downloads from a server on loopback: what arrives is checked, what was changed is refused and removed."""

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.datasets import DATASETS
from hpcadmm.datasets.base import Remote
from hpcadmm.datasets.disk.lookup import cache
from hpcadmm.datasets.public.download import download
from hpcadmm.errors import UsageError
from tests.helpers.samples import cifar10, idx


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address under which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def mnist(mirror: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small MNIST files on the server, with their hashes in the class."""
    idx(mirror[0], True)
    names = [remote.name for remote in DATASETS["mnist"].remotes]
    files = [Remote("http://127.0.0.1:9/not-here", name, sha256(mirror[0] / name)) for name in names]
    monkeypatch.setattr(DATASETS["mnist"], "remotes", tuple(files))
    return mirror[0]


def test_what_is_downloaded_can_be_loaded(mnist: Path, mirror: tuple[Path, str]) -> None:
    said: list[str] = []
    folder = download(DATASETS["mnist"], None, mirror[1], False, said.append)
    assert folder == cache() / "mnist"
    assert len(said) == 4
    assert DATASETS["mnist"]().load(0, World.alone(), np.float32, ones=True).train.n == 203
    download(DATASETS["mnist"], None, "http://127.0.0.1:9", False, said.append)  # nothing is asked for again
    assert said[-1].startswith("already present")
    download(DATASETS["mnist"], None, mirror[1] + "/", True, said.append)
    assert said[-1].startswith("downloaded")


def test_a_mirror_from_the_environment(mnist: Path, mirror: tuple[Path, str], tmp_path: Path,
                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("HPCADMM_URL_BASE", mirror[1])
    assert len(list(download(DATASETS["mnist"], tmp_path / "to", None, False, print).iterdir())) == 4


def test_a_changed_file_is_refused_and_removed(mnist: Path, mirror: tuple[Path, str], tmp_path: Path) -> None:
    path = mnist / DATASETS["mnist"].remotes[2].name
    path.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(UsageError, match=f"the sha256 is not {DATASETS['mnist'].remotes[2].sha256}"):
        download(DATASETS["mnist"], tmp_path / "to", mirror[1], False, print)
    assert sorted(p.name for p in (tmp_path / "to").iterdir()) == sorted(r.name for r in DATASETS["mnist"].remotes[:2])


def test_a_server_without_the_file_or_no_server(mnist: Path, mirror: tuple[Path, str], tmp_path: Path) -> None:
    for base in (f"{mirror[1]}/elsewhere", "http://127.0.0.1:9", None):
        with pytest.raises(UsageError, match=r"download failed: [\s\S]*HPCADMM_URL_BASE"):
            download(DATASETS["mnist"], tmp_path / "to", base, False, print)
    assert not list((tmp_path / "to").iterdir())


def test_an_archive_is_unpacked_by_its_listed_members_only(mirror: tuple[Path, str], tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    cifar10(tmp_path, False)
    archive = mirror[0] / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in DATASETS["cifar-10"].expects:
            source = tmp_path / name if (tmp_path / name).is_file() else tmp_path / "data_batch_1.bin"
            tar.add(source, f"cifar-10-batches-bin/{name}")
        evil = tarfile.TarInfo("../evil")
        tar.addfile(evil, io.BytesIO())
    (old,) = DATASETS["cifar-10"].remotes
    monkeypatch.setattr(DATASETS["cifar-10"], "remotes", (Remote(old.url, old.name, sha256(archive), old.members),))
    folder = download(DATASETS["cifar-10"], tmp_path / "to", mirror[1], False, print)
    assert sorted(p.name for p in folder.iterdir()) == sorted(DATASETS["cifar-10"].expects)
    assert not (tmp_path / "evil").exists()
    assert DATASETS["cifar-10"](path=str(folder)).load(0, World.alone(), np.float32, ones=True).train.n == 4 * 70 + 31


def test_nothing_to_download() -> None:
    with pytest.raises(UsageError, match="csv: there is nothing to download"):
        download(DATASETS["csv"], None, None, False, print)


@pytest.mark.parametrize("name", list(DATASETS))
def test_the_known_hashes_are_hashes(name: str) -> None:
    left = [file for remote in DATASETS[name].remotes for file in remote.files]
    for remote in DATASETS[name].remotes:
        assert len(bytes.fromhex(remote.sha256)) == 32
        assert remote.url.startswith("http")
    if left:
        assert {file.removesuffix(".gz") for file in left} == set(DATASETS[name].expects)
