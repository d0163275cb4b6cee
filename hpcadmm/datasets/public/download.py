"""Fetching the public files of a dataset, each checked against its sha256."""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.formats.lookup import cache
from hpcadmm.datasets.formats.reasons import reason, there
from hpcadmm.datasets.formats.stream import CHUNK
from hpcadmm.datasets.public.remote import Remote
from hpcadmm.errors import UsageError

MIRROR = "HPCADMM_URL_BASE"


def download(
    dataset: type[Dataset], folder: Path | None, base: str | None, force: bool, say: Callable[[str], None]
) -> Path:
    """Get the files of a dataset into `folder` (default: the user's cache); returns the folder.

    base: the address of a mirror that has the files by their names (default: $HPCADMM_URL_BASE, else the
    publisher). Files that are there already are left unless `force`. Raises UsageError.
    """
    if not dataset.remotes:
        raise UsageError(f"{dataset.name}: nothing to download; see `hpcadmm data list`")
    folder = folder or cache() / dataset.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {reason(error)}") from error
    for remote in dataset.remotes:
        if not force and all(there(folder / name) for name in remote.files):
            say(f"there already: {', '.join(remote.files)}")
            continue
        unpack(fetch(remote, folder, base or os.environ.get(MIRROR)), remote, folder)
        say(f"downloaded, sha256 as expected: {remote.name}")
    return folder


def fetch(remote: Remote, folder: Path, base: str | None) -> Path:
    """Download one file; a file whose sha256 differs is refused and not kept."""
    import pooch  # slow to import
    from requests import RequestException

    url = f"{base.rstrip('/')}/{remote.name}" if base else remote.url
    (folder / remote.name).unlink(missing_ok=True)  # pooch would take it as it is if its hash fits
    pooch.get_logger().setLevel("ERROR")
    try:
        found = pooch.retrieve(url, f"sha256:{remote.sha256}", fname=remote.name, path=folder)
    except ValueError as error:
        (folder / remote.name).unlink(missing_ok=True)
        cause = "was changed, or cut on the way; it was removed"
        raise UsageError(f"{url}: the sha256 is not {remote.sha256}: the file {cause} ({error})") from error
    except (RequestException, OSError) as error:
        cure = f"give a mirror with --url-base or {MIRROR}, or put {', '.join(remote.files)} into {folder} by hand"
        raise UsageError(f"{url}: cannot be had: {error}\n{cure}") from error
    return Path(found)


def unpack(path: Path, remote: Remote, folder: Path) -> None:
    """Take the named members out of an archive, no others, and remove it."""
    if not remote.members:
        return
    with tarfile.open(path) as archive:
        for member, name in remote.members.items():
            source = archive.extractfile(member)
            if source is None:
                raise UsageError(f"{path}: {member} is no file in this archive")
            with source, (folder / name).open("wb") as out:
                while block := source.read(CHUNK):
                    out.write(block)
    path.unlink()
