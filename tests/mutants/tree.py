"""A copy of the repository in a temporary directory, in which one mutant after another stands. The original is only read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    root: Path

    @contextmanager
    def holding(self, mutant: Mutant | None) -> Iterator[None]:
        """The tree with the mutant in it; None leaves it as it is. Raises DoesNotApply."""
        changed: Mapping[str, str] = {} if mutant is None else mutant.texts(self.root)
        kept = {file: (self.root / file).read_text() for file in changed}
        try:
            self._write(changed)
            yield
        finally:
            self._write(kept)

    def _write(self, texts: Mapping[str, str]) -> None:
        for file, text in texts.items():
            path = self.root / file
            path.write_text(text)
            # Two texts of one length within one second would share their compiled form.
            for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
                compiled.unlink()


def copy_of(root: Path, target: Path, revision: str | None = None) -> Tree:
    """The files of the working tree that git does not ignore, or those of a revision, below ``target``."""
    target.mkdir(parents=True)
    if revision is None:
        _copy_working_tree(root, target)
    else:
        archive = subprocess.run(["git", "archive", revision], cwd=root, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", str(target)], input=archive.stdout, check=True)
    (target / ".venv").symlink_to(root / ".venv")
    return Tree(root=target)


def _copy_working_tree(root: Path, target: Path) -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        source = root / name
        if source.is_file():  # one that is deleted is still listed until it is committed
            copied = target / name
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copied, follow_symlinks=False)
