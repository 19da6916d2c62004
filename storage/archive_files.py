"""Files of the archive: one order's history a line, compressed JSON lines, each file with a manifest beside it.

A file is on disk, read back and named by its own content before anybody relies on it: what a crash leaves is either no file
or a whole one, and writing the same histories again gives the same name and the same bytes.
"""

import gzip
import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from models.clock import format_time
from models.money import plain

#: of the lines and of the manifest; a reader that finds another one says so
FORMAT = 1

_UNFINISHED = ".writing-"
_SUFFIX = ".jsonl.gz"
_MANIFEST = ".manifest.json"
_BLOCK_BYTES = 1 << 20


class ArchiveProblem(Exception):
    """A file of the archive can't be written or read; the text says which, what that means and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedLine:
    """Where one order's history stands, and what it must be."""

    order_id: str
    version: int
    client_order_id: str
    account: str
    #: of the line without its end, in hexadecimal
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    name: str
    #: of the compressed file
    sha256: str
    bytes: int
    #: in the order of the file
    lines: tuple[ArchivedLine, ...]


def write_file(directory: Path, histories: Iterable[Mapping[str, Any]]) -> ArchivedFile:
    """Write at least one history (each with its ``document``), and return the file once it is durable and read back.

    Raises ArchiveProblem; then there is no new file.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _unfinished(directory) as data, _unfinished(directory) as beside:
            lines = _write_lines(data, histories)
            sha256, size = _digest(data)
            name = f"orders-{lines[0].order_id}-{lines[-1].order_id}-{sha256[:12]}{_SUFFIX}"
            made = ArchivedFile(name=name, sha256=sha256, bytes=size, lines=tuple(lines))
            _check_lines(data, made)
            with beside.open("wb") as file:
                file.write(_manifest(made))
                _to_disk(file)
            data.replace(directory / name)
            beside.replace(directory / (name + _MANIFEST))
            _folder_to_disk(directory)
            return made
    except OSError as error:
        raise ArchiveProblem(
            f"the archive in {directory} can't be written ({error.strerror or error}), so nothing was archived and nothing "
            "was removed. Make room there or set [retention] archive_dir to a folder that can be written; it is tried again "
            "by itself"
        ) from error


def remove_unfinished(directory: Path) -> None:
    """Remove what a writer that died has left half-written; nobody else may be writing."""
    for path in directory.glob(f"{_UNFINISHED}*"):
        path.unlink(missing_ok=True)


def read_line(directory: Path, name: str, line: int, sha256: str) -> Mapping[str, Any]:
    """The history at a line, from 1. Raises ArchiveProblem where it is not what was archived."""
    for number, content in enumerate(_lines(directory / name), 1):
        if number == line:
            if hashlib.sha256(content).hexdigest() != sha256:
                raise _damaged(name, f"line {line} is not what was archived")
            history: Mapping[str, Any] = json.loads(content)
            return history
    raise _damaged(name, f"it ends before line {line}")


def manifests(directory: Path) -> Iterator[ArchivedFile]:
    """Every file that has a manifest, the oldest orders first. Raises ArchiveProblem at one that can't be read."""
    for path in sorted(directory.glob(f"orders-*{_MANIFEST}")):
        try:
            found = json.loads(path.read_bytes())
            if found["format"] != FORMAT:
                raise ArchiveProblem(f"{path} is of format {found['format']}: read it with the version that wrote it")
            lines = tuple(ArchivedLine(**line) for line in found["lines"])
            yield ArchivedFile(name=found["file"], sha256=found["sha256"], bytes=found["bytes"], lines=lines)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(path.name, f"the manifest can't be read ({error})") from error


def verify_file(directory: Path, file: ArchivedFile) -> None:
    """Raises ArchiveProblem with the first thing that is not as its manifest says."""
    path = directory / file.name
    try:
        sha256, size = _digest(path)
    except OSError as error:
        raise _damaged(file.name, f"it can't be read ({error.strerror or error})") from error
    if (sha256, size) != (file.sha256, file.bytes):
        raise _damaged(file.name, f"its SHA-256 is {sha256} and not {file.sha256}")
    _check_lines(path, file)


def _write_lines(path: Path, histories: Iterable[Mapping[str, Any]]) -> list[ArchivedLine]:
    lines = []
    with path.open("wb") as raw:
        # Without a name and a time in its head the same histories are the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            for history in histories:
                content = json.dumps(
                    {"format": FORMAT, **history}, default=_shown, ensure_ascii=False, separators=(",", ":")
                ).encode()
                packed.write(content + b"\n")
                document = history["document"]
                lines.append(
                    ArchivedLine(
                        order_id=document["id"],
                        version=document["version"],
                        client_order_id=document["client_order_id"],
                        account=document["account"],
                        sha256=hashlib.sha256(content).hexdigest(),
                    )
                )
        _to_disk(raw)
    return lines


def _shown(value: object) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return format_time(value)
    raise TypeError(f"a history holds a {type(value).__name__}, which no archive can show")


def _check_lines(path: Path, file: ArchivedFile) -> None:
    count = 0
    for count, content in enumerate(_lines(path), 1):
        if count > len(file.lines) or hashlib.sha256(content).hexdigest() != file.lines[count - 1].sha256:
            raise _damaged(file.name, f"line {count} is not what was archived")
    if count != len(file.lines):
        raise _damaged(file.name, f"it has {count} lines and not {len(file.lines)}")


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                yield line.rstrip(b"\n")
    except FileNotFoundError as error:
        raise _damaged(path.name, f"it is not in {path.parent}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path.name, f"it can't be read ({error})") from error


def _manifest(file: ArchivedFile) -> bytes:
    lines: Sequence[Mapping[str, Any]] = [asdict(line) for line in file.lines]
    content = {"format": FORMAT, "file": file.name, "sha256": file.sha256, "bytes": file.bytes, "lines": lines}
    return json.dumps(content, indent=1).encode()


def _digest(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


@contextmanager
def _unfinished(directory: Path) -> Iterator[Path]:
    path = directory / f"{_UNFINISHED}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _folder_to_disk(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged(name: str, what: str) -> ArchiveProblem:
    return ArchiveProblem(
        f"the archive's file {name} can't be relied on: {what}. Bring it back from a copy of the archive's folder; the order "
        "itself, its fills and the books are in the database as before"
    )
