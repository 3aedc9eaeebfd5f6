"""A disk that fills up."""

import contextlib
import subprocess


class SmallDisk:
    """A tmpfs of a size that can be changed."""

    def __init__(self, path, size):
        self.path = path
        path.mkdir()
        self._mount("-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs")

    def _mount(self, *arguments):
        subprocess.run(["mount", *arguments, self.path], check=True, timeout=120)

    def resize(self, size):
        self._mount("-o", f"remount,size={size}")

    def fill(self):
        """Takes all that is free; the way to give it back."""
        filler = self.path / "filler"
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(100_000)) == 100_000:
                pass
        return filler.unlink

    def close(self):
        subprocess.run(["umount", "--lazy", self.path], check=True, timeout=120)
