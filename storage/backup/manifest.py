"""The list beside a backup's files: sizes and SHA-256 digests, the schema, what was counted and checked."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.backup.errors import BackupError, Corrupt

NAME = "manifest.json"

#: of the manifest itself; a reader refuses what it does not know
FORMAT = 1

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    #: ``sqlite`` or ``postgresql``
    database: str
    #: RFC 3339, before the copy began: what was committed by then is in it
    made_at: str
    #: the revision of the schema
    revision: str
    #: by file name: ``{"bytes": …, "sha256": …}``
    files: Mapping[str, Mapping[str, Any]]
    #: rows per table of the copy; empty where the copy can't be asked (a dump)
    rows: Mapping[str, int]
    #: names of the checks that the copy has passed
    checks: tuple[str, ...]
    #: where the journal goes on after this copy: sequence number and digest of the last record in it; None: no journal
    journal: Mapping[str, Any] | None = None
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        return sum(int(about["bytes"]) for about in self.files.values())


def described(path: Path) -> dict[str, Any]:
    """Size and digest of a file, read to its end."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def write(folder: Path, manifest: Manifest) -> None:
    """Durable once it returns."""
    body = json.dumps(asdict(manifest), indent=2, ensure_ascii=False, sort_keys=True)
    # the digest of the manifest's own text: a flipped bit in the list must not pass for one in a file
    seal = hashlib.sha256(body.encode()).hexdigest()
    path = folder / NAME
    with path.open("w", encoding="utf-8") as sink:
        sink.write(f"{body}\n{seal}\n")
        sink.flush()
        os.fsync(sink.fileno())
    sync_folder(folder)


def read(folder: Path) -> Manifest:
    """Raises Corrupt where the manifest is not what was written, BackupError where it is missing or newer."""
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BackupError(
            f"{folder} holds no {NAME}, so it is no finished backup. Choose another: `steadfill backup --list`."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Corrupt(f"{folder / NAME} can't be read ({error}). Use another backup.") from None
    body, _, seal = text.rstrip("\n").rpartition("\n")
    if hashlib.sha256(body.encode()).hexdigest() != seal:
        raise Corrupt(f"{folder / NAME} was changed after it was written: its digest does not fit. Use another backup.")
    values = json.loads(body)
    if values.get("format") != FORMAT:
        raise BackupError(
            f"{folder / NAME} has format {values.get('format')} and this version reads {FORMAT}: "
            "restore it with the version of Steadfill that made it."
        )
    return Manifest(**{**values, "checks": tuple(values["checks"])})


def verify(folder: Path) -> Manifest:
    """The manifest, once every file has been read and is what was written. Raises Corrupt, naming the file."""
    manifest = read(folder)
    for name, about in manifest.files.items():
        path = folder / name
        try:
            found = described(path)
        except OSError as error:
            raise Corrupt(f"{path} can't be read ({error.strerror}). Use another backup.") from None
        if found != about:
            raise Corrupt(
                f"{path} is not what was written: {found['bytes']} bytes with SHA-256 {found['sha256'][:16]}…, the manifest "
                f"says {about['bytes']} bytes with {str(about['sha256'])[:16]}…. Use another backup, and look at the disk."
            )
    return manifest


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
