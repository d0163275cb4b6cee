"""Ways to harm a checkpoint: by accident, and on purpose with the sizes in the record put right."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SHARD, MASTER, SITES, CELLS = "shard-0-200.h5", "checkpoint.h5", "sites-0.h5", "cells-0-0-200.h5"
Harm = Callable[[Path], None]


def truncated(name: str) -> Harm:
    def harm(folder: Path) -> None:
        os.truncate(folder / name, (folder / name).stat().st_size // 2)

    return harm


def emptied_file(name: str) -> Harm:
    return lambda folder: os.truncate(folder / name, 0)


def missing(name: str) -> Harm:
    return lambda folder: (folder / name).unlink()


def flipped_data(name: str, path: str) -> Harm:
    """One bit of an array's first chunk."""

    def harm(folder: Path) -> None:
        with h5py.File(folder / name) as file:
            place = file[path].id.get_chunk_info(0).byte_offset
        flip(folder / name, place + 5)

    return harm


def flipped_at(name: str, place: int) -> Harm:
    return lambda folder: flip(folder / name, place)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 16
    path.write_bytes(data)


def of_another_checkpoint(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).write_bytes((folder.parent / "iteration-0000000010" / name).read_bytes())
        assert (folder / name).stat().st_size == sizes(folder)[name]

    return harm


def replaced_by_link(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).rename(folder.parent / "elsewhere")
        (folder / name).symlink_to(folder.parent / "elsewhere")

    return harm


def replaced_by_pipe(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return harm


def replaced_by_folder(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return harm


def dataset(name: str, path: str, make: Callable[[h5py.File, str, Path], Any]) -> Harm:
    """The dataset at a path replaced by what `make` puts there, and the size in the record corrected."""

    def harm(folder: Path) -> None:
        with h5py.File(folder / name, "r+", libver=("v110", "v110")) as file:
            del file[path]
            make(file, path, folder)
        if name != MASTER:
            record(lambda r: r["sizes"].__setitem__(name, (folder / name).stat().st_size))(folder)

    return harm


def record(change: Callable[[dict[str, Any]], Any]) -> Harm:
    """The record changed in place, or replaced by the text that `change` returns."""

    def harm(folder: Path) -> None:
        with h5py.File(folder / MASTER, "r+", libver=("v110", "v110")) as file:
            raw = json.loads(file["checkpoint.json"][0])
            text = change(raw)
            data = np.array([(text if isinstance(text, str) else json.dumps(raw)).encode()])
            del file["checkpoint.json"]
            file.create_dataset("checkpoint.json", data=data, chunks=(1,), fletcher32=True)

    return harm


def cells_in(*files: Any) -> Harm:
    """The record says that c/2 lies in these files; those with such names are listed in the sizes."""

    def change(raw: dict[str, Any]) -> None:
        raw["entries"]["c/2"]["files"] = list(files)
        raw["sizes"].update({name: 5 for name in files if str(name).startswith("cells-")})

    return record(change)


def sizes(folder: Path) -> dict[str, int]:
    with h5py.File(folder / MASTER) as file:
        return dict(json.loads(file["checkpoint.json"][0])["sizes"])


def huge(file: h5py.File, path: str, folder: Path) -> None:
    file.create_dataset(path, (200, 1 << 37), "f8", chunks=(1, 1 << 20), fletcher32=True)  # 220 TB


def huge_chunks(file: h5py.File, path: str, folder: Path) -> None:
    file.create_dataset(path, (200, 7), "f8", chunks=(1 << 24, 7), maxshape=(None, 7), fletcher32=True)


def external_storage(file: h5py.File, path: str, folder: Path) -> None:
    file.create_dataset(path, (200, 7), "f8", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])


def external_link(file: h5py.File, path: str, folder: Path) -> None:
    file[path] = h5py.ExternalLink("../iteration-0000000010/" + SHARD, path)


def soft_link(file: h5py.File, path: str, folder: Path) -> None:
    file[path] = h5py.SoftLink("/a/1")


def soft_link_of_group(file: h5py.File, path: str, folder: Path) -> None:
    file.move(path.split("/")[0], "elsewhere")
    file[path.split("/")[0]] = h5py.SoftLink("/elsewhere")


def virtual(file: h5py.File, path: str, folder: Path) -> None:
    layout = h5py.VirtualLayout((200, 7), "f8")
    layout[...] = h5py.VirtualSource("../iteration-0000000010/" + SHARD, path, (200, 7))
    file.create_virtual_dataset(path, layout)


def plain(data: Any, **options: Any) -> Callable[[h5py.File, str, Path], Any]:
    """Any dataset."""
    return lambda file, path, folder: file.create_dataset(path, data=data, **options)


def group(file: h5py.File, path: str, folder: Path) -> None:
    file.create_group(path)


def absent_chunks(file: h5py.File, path: str, folder: Path) -> None:
    file.create_dataset(path, (200, 7), "f8", chunks=(64, 7), fletcher32=True)
