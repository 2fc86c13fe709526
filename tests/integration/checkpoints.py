"""Checkpoints as the daemon would publish them: docs/formats/store.md, written a second time."""

import hashlib
import hmac
import json

CLUSTER = "testing"


def stream(name, contents, offset, number):
    return {
        "name": name, "size": len(contents), "sha256": hashlib.sha256(contents).hexdigest(), "encoding": "plain",
        "stored": len(contents), "file": "pack", "offset": offset, "generation": number,
    }


LEDGER = json.dumps({"format": 1, "taken_at": 1795246400000000000, "files": [], "trees": []}).encode()


def publish(site, job=812, number=1, uid=1001, part="batch", made_at=1795246400, first_start=1795246151, **fields):
    """The directory of the new generation."""
    streams = {"core-1.img": b"core %d" % number, "ledger": LEDGER}
    body = {
        "cluster": CLUSTER, "uid": uid, "job": job, "first_start": first_start, "part": part, "number": number,
        "made_at": made_at, "restarts": 0, "reason": "interval", "gid": uid, "root": 1001, "stdio": ["/dev/null"] * 3,
        "node": "n1", "kernel": "6.12.0", "cpu": "", "criu": "", "command": "", "excluded": "", "streams": [],
    } | fields
    directory = site.directory / "store" / CLUSTER / str(uid) / f"{job}-{first_start}" / part / f"gen-{number:06}"
    directory.mkdir(parents=True, mode=0o700)
    (site.directory / "store" / CLUSTER / str(uid)).chmod(0o700)
    pack = b""
    for name, contents in streams.items():
        body["streams"].append(stream(name, contents, len(pack), number))
        pack += contents
    (directory / "pack").write_bytes(pack)
    text = json.dumps(body)
    key, secret = site.key.read_text().split()
    code = hmac.new(bytes.fromhex(secret), b"1\n" + text.encode(), hashlib.sha256).hexdigest()
    (directory / "manifest").write_text(f"stasis-manifest 1 {key} {code}\n{text}")
    return directory
