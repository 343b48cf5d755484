"""Packages that tests run in an interpreter of their own, because their pins conflict with ours.

Input: requirements and an interpreter. Output: the folder they are installed in, for PYTHONPATH,
made once and kept in the cache of the user.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

__all__ = ["find_interpreter", "install_packages"]

CHECK = "import sys; print('{}.{}'.format(*sys.version_info), sys.implementation.cache_tag)"


def find_interpreter(version: str) -> str | None:
    """Find a Python such as `3.12`: this one, the system's, or one that pyenv keeps."""
    for command in _list_interpreters(version):
        if _ask_interpreter(command).split()[:1] == [version]:
            return command
    return None


def install_packages(
    requirements: Sequence[str],
    missing: Callable[[str, str], None],
    *,
    interpreter: str = sys.executable,
) -> Path:
    """Return the folder of an installation, made now if the interpreter has none in the cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    # Compiled modules load in the interpreter that installed them only.
    cache = home / "spantoll" / "sdks" / _ask_interpreter(interpreter).split()[-1]
    name = hashlib.sha256(" ".join(sorted(requirements)).encode()).hexdigest()[:16]
    folder = cache / name
    if not folder.exists():
        new = cache / f"{name}.{os.getpid()}"
        install = [interpreter, "-m", "pip", "install", "--quiet", "--target", str(new)]
        done = subprocess.run(
            [*install, *requirements], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            missing(" ".join(requirements), f"pip install --target {folder} (needs the network)")
        try:
            new.rename(folder)
        except OSError:  # another worker was faster
            shutil.rmtree(new)
    return folder


def _list_interpreters(version: str) -> Iterator[str]:
    yield sys.executable
    yield f"python{version}"
    if pyenv := shutil.which("pyenv"):
        found = subprocess.run(
            [pyenv, "prefix", version], capture_output=True, text=True, check=False
        )
        yield f"{found.stdout.strip()}/bin/python"


def _ask_interpreter(command: str) -> str:
    """Return the version and the cache tag of an interpreter; nothing where it does not run."""
    try:
        asked = subprocess.run([command, "-c", CHECK], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return asked.stdout
