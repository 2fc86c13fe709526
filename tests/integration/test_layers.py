"""Arrows point one way: common <- daemon and cli, and of common only the plain part <- spank and capsule.

The plain part is what needs nothing but the C and C++ runtimes (and tl::expected, a header): the files that
common/CMakeLists.txt lists, and headers that have no file of their own beside them.
"""

import re

import pytest

from programs import TOP

# Which folders of ours each may include.
ALLOWED = {
    "common": {"common"},
    "spank": {"spank", "common"},
    "capsule": {"capsule", "common"},
    "daemon": {"daemon", "common"},
    "cli": {"cli", "common"},
}
# Besides what has no '/' or comes with the kernel and the C library.
PLAIN_LIBRARIES = {"tl/expected.hpp", "slurm/spank.h", "slurm/slurm_errno.h", "slurm/slurm_version.h"}
SYSTEM = re.compile(r"<(?:[a-z0-9_]+(?:\.h)?|(?:sys|linux|netinet|arpa|net|asm|bits)/[a-z0-9_]+\.h)>")


def includes(path):
    return re.findall(r'^\s*#\s*include\s+([<"][^>"]+[>"])', path.read_text(), re.M)


def plain_part(top):
    listed = re.search(r"set\(plain\n(.*?)\)", (top / "common" / "CMakeLists.txt").read_text(), re.S)[1].split()
    headers = {f"common/{name.removesuffix('.cc')}.h" for name in listed}
    alone = {f"common/{path.name}" for path in (top / "common").glob("*.h") if not path.with_suffix(".cc").exists()}
    return headers | alone


def violations(top):
    """'FILE includes HEADER' for every arrow that points the wrong way."""
    found = []
    plain = plain_part(top)
    for folder, allowed in ALLOWED.items():
        for path in sorted([*(top / folder).rglob("*.cc"), *(top / folder).rglob("*.h")]):
            for header in includes(path):
                ours = header.strip('"<>')
                if header.startswith('"') and ours.split("/")[0] not in allowed:
                    found.append(f"{path.relative_to(top)} includes {ours}")
    # What spank and capsule reach in common, directly and through other headers.
    waiting = [path for folder in ("spank", "capsule") for path in (top / folder).rglob("*.[ch]*")]
    waiting += [top / header.replace(".h", ".cc") for header in plain if (top / header.replace(".h", ".cc")).exists()]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        for header in includes(path):
            name = header.strip('"<>')
            if header.startswith("<"):
                if not SYSTEM.fullmatch(header) and name not in PLAIN_LIBRARIES:
                    found.append(f"{path.relative_to(top)} includes {name}")
            elif name.startswith("common/"):
                if name not in plain:
                    found.append(f"{path.relative_to(top)} includes {name}")
                elif top / name not in seen and (top / name).exists():
                    seen.add(top / name)
                    waiting.append(top / name)
    return sorted(set(found))


def test_no_arrow_points_the_wrong_way():
    assert violations(TOP) == []


@pytest.mark.parametrize(
    "file, line, says",
    [
        ("spank/options.h", '#include "common/store.h"', "spank/options.h includes common/store.h"),
        ("capsule/init.cc", '#include "daemon/worker.h"', "capsule/init.cc includes daemon/worker.h"),
        ("spank/options.h", "#include <fmt/format.h>", "spank/options.h includes fmt/format.h"),
        ("common/plain.cc", "#include <nlohmann/json.hpp>", "common/plain.cc includes nlohmann/json.hpp"),
        ("common/value.h", '#include "common/store.h"', "common/value.h includes common/store.h"),
        ("daemon/worker.h", '#include "cli/verbs.h"', "daemon/worker.h includes cli/verbs.h"),
        ("common/store.h", '#include "daemon/worker.h"', "common/store.h includes daemon/worker.h"),
    ],
)
def test_a_wrong_arrow_is_seen(tmp_path, file, line, says):
    files = {
        "common/CMakeLists.txt": "set(plain\n  plain.cc\n)\n",
        "common/plain.h": "#include <string>\n",
        "common/plain.cc": '#include "common/plain.h"\n',
        "common/store.h": "#include <fmt/format.h>\n",
        "common/store.cc": '#include "common/store.h"\n',
        "common/value.h": "#include <sys/types.h>\n",
        "spank/options.h": '#include "common/plain.h"\n#include "common/value.h"\n',
        "capsule/init.cc": '#include "common/plain.h"\n',
        "daemon/worker.h": '#include "common/store.h"\n',
        "cli/verbs.h": '#include "common/store.h"\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert violations(tmp_path) == []
    with open(tmp_path / file, "a") as changed:
        changed.write(line + "\n")
    assert says in violations(tmp_path)
