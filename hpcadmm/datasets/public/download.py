"""Download the public files of a dataset and check their sha256."""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from hpcadmm.datasets.base import Dataset, Remote
from hpcadmm.datasets.disk.lookup import cache, reason, there
from hpcadmm.datasets.disk.stream import CHUNK
from hpcadmm.errors import UsageError

MIRROR = "HPCADMM_URL_BASE"


def download(
    dataset: type[Dataset], folder: Path | None, base: str | None, force: bool, say: Callable[[str], None]
) -> Path:
    """Download a dataset to `folder` (default: the user's cache); return the folder.

    base: address of a mirror that has the files by name (default: $HPCADMM_URL_BASE, else the publisher).
    force: download again even if present. Raises UsageError.
    """
    if not dataset.remotes:
        raise UsageError(f"{dataset.name}: there is nothing to download; see `hpcadmm data list`")
    folder = folder or cache() / dataset.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {reason(error)}") from error
    for remote in dataset.remotes:
        if not force and all(there(folder / name) for name in remote.files):
            say(f"already present: {', '.join(remote.files)}")
            continue
        unpack(fetch(remote, folder, base or os.environ.get(MIRROR)), remote, folder)
        say(f"downloaded, sha256 as expected: {remote.name}")
    return folder


def fetch(remote: Remote, folder: Path, base: str | None) -> Path:
    """Download one file; refuse and remove one whose sha256 differs."""
    import pooch  # slow to import
    from requests import RequestException

    url = f"{base.rstrip('/')}/{remote.name}" if base else remote.url
    (folder / remote.name).unlink(missing_ok=True)  # pooch would not download it again
    pooch.get_logger().setLevel("ERROR")
    try:
        found = pooch.retrieve(url, f"sha256:{remote.sha256}", fname=remote.name, path=folder)
    except ValueError as error:
        (folder / remote.name).unlink(missing_ok=True)
        cause = "the file changed, or is incomplete, and was removed; download it again, or from a mirror (--url-base)"
        raise UsageError(f"{url}: the sha256 is not {remote.sha256}: {cause} ({error})") from error
    except (RequestException, OSError) as error:
        cure = f"name a mirror with --url-base or {MIRROR}, or put {', '.join(remote.files)} into {folder} by hand"
        raise UsageError(f"{url}: download failed: {error}\n{cure}") from error
    return Path(found)


def unpack(path: Path, remote: Remote, folder: Path) -> None:
    """Extract the named members of an archive, no others, and remove it."""
    if not remote.members:
        return
    with tarfile.open(path) as archive:
        for member, name in remote.members.items():
            source = archive.extractfile(member)
            if source is None:
                raise UsageError(f"{path}: {member} is not a file in this archive")
            with source, (folder / name).open("wb") as out:
                while block := source.read(CHUNK):
                    out.write(block)
    path.unlink()
