"""Contents that no reader of text takes, known by their first bytes: what they are, and what to do."""

UNPACK = "unpack it"
SAVE = "save it as csv"
UTF8 = "save it as UTF-8"
KINDS = (
    (b"\xff\xfe\0\0", "UTF-32 text", UTF8),
    (b"\0\0\xfe\xff", "UTF-32 text", UTF8),
    (b"\xff\xfe", "UTF-16 text", UTF8),
    (b"\xfe\xff", "UTF-16 text", UTF8),
    (
        b"PK\x03\x04",
        "a zip archive (.zip, .xlsx, .npz)",
        "unpack it, or save the table as csv; .npz: data.name = 'npz'",
    ),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "set data.name = 'hdf5'"),
    (b"\x93NUMPY", "one numpy array (.npy)", "save it with its name: numpy.savez(FILE, X=array) (y=labels)"),
    (b"\x1f\x8b", "packed twice", "unpack it once"),
    (b"\xfd7zXZ\0", "packed twice", "unpack it once"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it: zstd -d"),
    (b"\x04\x22\x4d\x18", "packed with lz4", "unpack it: lz4 -d"),
    (b"\x1f\x9d", "packed with compress (.Z)", "unpack it: uncompress"),
    (b"LZIP", "packed with lzip", "unpack it: lzip -d"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a rar archive", UNPACK),
    (b"PAR1", "a Parquet file", f"{SAVE}, npz or HDF5"),
    (b"ARROW1", "an Arrow file", f"{SAVE}, npz or HDF5"),
    (b"FEA1", "a Feather file", f"{SAVE}, npz or HDF5"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (.xls)", SAVE),
    (b"SQLite format 3\0", "an SQLite database", f"{SAVE}"),
    (b"MATLAB 5.0", "a Matlab file", "save the arrays as npz or HDF5"),
    (b"\x80\x03", "a Python pickle, which is never loaded", "save the arrays with numpy.savez"),
    (b"\x80\x04\x95", "a Python pickle, which is never loaded", "save the arrays with numpy.savez"),
    (b"\x80\x05\x95", "a Python pickle, which is never loaded", "save the arrays with numpy.savez"),
    (b"%PDF-", "a PDF file", SAVE),
    (b"\x89PNG\r\n", "a PNG image", "save the pixels as npz or HDF5"),
    (b"\xff\xd8\xff", "a JPEG image", "save the pixels as npz or HDF5"),
    (b"<!DOCTYPE", "an HTML page, perhaps of a failed download", "get the file again"),
    (b"<!doctype", "an HTML page, perhaps of a failed download", "get the file again"),
    (b"<html", "an HTML page, perhaps of a failed download", "get the file again"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the data", "get the file: git lfs pull"),
)


def foreign(top: bytes) -> str | None:
    """Of the first bytes of a file: "is UTF-16 text; save it as UTF-8", or None if they may be text.

    >>> foreign("1,2".encode("utf-16-le"))
    'is UTF-16 text; save it as UTF-8'
    >>> foreign(b"a,b,label") is None
    True
    """
    for begins, what, cure in KINDS:
        if top.startswith(begins):
            return f"is {what}; {cure}"
    if bzip2(top):
        return "is packed twice; unpack it once"
    if top[257:262] == b"ustar":
        return f"is a tar archive; {UNPACK}"
    if len(top) > 1 and b"\0" in top and wide(top):
        return f"is UTF-16 text; {UTF8}"
    return None


def bzip2(top: bytes) -> bool:
    """Do the bytes begin as bzip2 does?"""
    return top[:3] == b"BZh" and top[4:10] in (b"1AY&SY", b"\x17rE8P\x90")


def wide(top: bytes) -> bool:
    """Is every other byte 0 and no other, as in UTF-16 without a mark of its byte order?"""
    even, odd = top[0 : len(top) & ~1 : 2], top[1::2]
    return (not any(odd) and 0 not in even) or (not any(even) and 0 not in odd)
