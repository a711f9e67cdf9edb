# Copyright (c) 2026, The faultline.chaos authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""images.py OUT.tar BUSYBOX PAUSE: writes the images that the nodes have, as `ctr images import` takes them.

There is no registry: these are all there are. Everything but `pause` is a busybox, and `nginx` serves its page with it.
The page is /www/index.html. The same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

DIRECTORIES = ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "usr/bin", "var", "var/run", "www")
FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    "www/index.html": b"hello\n",
}


class Archive:
    """A tar in memory or on disk, every entry of which belongs to root and is from 1970."""

    def __init__(self, path: str | None = None) -> None:
        self.memory = io.BytesIO()
        self.tar = tarfile.open(path, "w") if path else tarfile.open(fileobj=self.memory, mode="w")

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), mode
        self.tar.addfile(entry, io.BytesIO(data))

    def directory(self, name: str, mode: int = 0o755) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self.tar.addfile(entry)

    def link(self, name: str, target: str) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
        self.tar.addfile(entry)

    def close(self) -> bytes:
        self.tar.close()
        return self.memory.getvalue()


def busybox_layer(busybox: str) -> bytes:
    layer = Archive()
    for name in DIRECTORIES:
        layer.directory(name, 0o1777 if name == "tmp" else 0o755)
    layer.file("bin/busybox", Path(busybox).read_bytes(), 0o755)
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            layer.link(f"bin/{applet}", "busybox")
    for name, data in FILES.items():
        layer.file(name, data)
    return layer.close()


def pause_layer(pause: str) -> bytes:
    layer = Archive()
    layer.file("pause", Path(pause).read_bytes(), 0o755)
    return layer.close()


def configuration(settings: dict, layer_digest: str) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "images.py"}],
        }
    ).encode()


def main(out: str, busybox: str, pause: str) -> None:
    shell, nothing = busybox_layer(busybox), pause_layer(pause)
    path = {"Env": ["PATH=/bin:/usr/bin"]}
    images = [
        (["docker.io/library/busybox:1.35", "docker.io/library/alpine:3.16"], shell, {**path, "Cmd": ["sh"]}),
        (["docker.io/library/nginx:alpine"], shell, {**path, "Cmd": ["httpd", "-f", "-p", "80", "-h", "/www"]}),
        # pause is what a container without a shell looks like
        (["k8s.gcr.io/pause:3.2", "registry.k8s.io/pause:3.9"], nothing, {"Env": ["PATH=/"], "Entrypoint": ["/pause"]}),
    ]
    archive, manifest, written = Archive(out), [], set()
    for tags, layer, settings in images:
        layer_digest = hashlib.sha256(layer).hexdigest()
        config = configuration(settings, layer_digest)
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        for name, data in ((f"{layer_digest}/layer.tar", layer), (config_name, config)):
            if name not in written:
                archive.file(name, data)
                written.add(name)
        manifest.append({"Config": config_name, "RepoTags": tags, "Layers": [f"{layer_digest}/layer.tar"]})
    archive.file("manifest.json", json.dumps(manifest).encode())
    archive.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
