#!/usr/bin/env python3
"""Prove that check-layers.py can fail: one small tree per rule, broken in one place, and the same tree whole."""
import os
import subprocess
import sys
import tempfile
import unittest

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check-layers.py")

TABLES = """# House

Words before, and a table of another kind:

| a | b |
|---|---|
| x | y |

## Layers

| folder | may use |
|---|---|
| lib/base | - |
| lib/xmpp | lib/base |
| reg | lib/base, lib/xmpp/jid.h |
| node | lib/base, lib/xmpp |
| all-tests | everything |

## Third-party owners

| library | headers | only included by (globs) |
|---|---|---|
| libuv | `uv.h` | `lib/base/loop*.c` |
| OpenSSL | `openssl/*` | `lib/base/crypto.c` |

## Atomics and locks

| files (globs) | why |
|---|---|
| `lib/base/*` | theirs |
"""

TREE = {
    "ARCHITECTURE.md": TABLES,
    "lib/base/base.h": "#include <stdint.h>\n#pragma GCC poison strcpy gets\n",
    "lib/base/base-int.h": "",
    "lib/base/base.c": '#include "lib/base/base.h"\n#include "lib/base/base-int.h"\n__atomic_load_n(&x, 0);\n',
    "lib/base/loop.c": "#include <uv.h>\n#include <sys/socket.h>\n",
    "lib/base/crypto.c": "#  include  <openssl/evp.h>\n",
    "lib/base/sub/deep.c": '#include "lib/base/base-int.h"\n',
    "lib/xmpp/jid.h": '#include "lib/base/base.h"\n',
    "lib/xmpp/xml.h": "",
    "reg/reg.c": '#include "lib/xmpp/jid.h"\n',
    "node/mod/a.c": '#include "lib/xmpp/xml.h"\n// strcpy(a, b)\n/* #include "reg/reg.h"\n atoi(x) */\n"gets(x)";\n'
                    "my_strcpy(a); snprintf(a); sem_x();\n",
    "all-tests/t.c": '#include "lib/base/base-int.h"\n#include "lib/xmpp/xml.h"\n',
    "build/junk.c": '#include "nowhere.h"\n',
}


def run(changes):
    """Exit code and output for the tree with some files changed; None removes one."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in {**TREE, **changes}.items():
            if text is None:
                continue
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        done = subprocess.run([sys.executable, TOOL, root], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


class CheckLayers(unittest.TestCase):
    def assert_broken(self, changes, *reports):
        code, out = run(changes)
        self.assertEqual(code, 1, out)
        self.assertEqual(len(out.splitlines()), len(reports), out)
        for line, report in zip(out.splitlines(), reports):
            self.assertTrue(line.startswith(report), out)

    def test_whole_tree_passes(self):
        code, out = run({})
        self.assertEqual((code, out), (0, "11 files keep the layers\n"))

    def test_upward_include(self):
        self.assert_broken({"lib/base/up.c": '\n\n#include "lib/xmpp/jid.h"\n'}, "lib/base/up.c:3: layer:")

    def test_sideways_include_of_more_than_the_named_header(self):
        self.assert_broken({"reg/more.c": '#include "lib/xmpp/xml.h"\n'}, "reg/more.c:1: layer:")

    def test_private_header_from_another_folder(self):
        self.assert_broken({"node/b.c": '#include "lib/base/base-int.h"\n'}, "node/b.c:1: private:")

    def test_private_header_from_the_folder_above(self):
        self.assert_broken({"node/mod/m-int.h": "", "node/c.c": '#include "node/mod/m-int.h"\n'}, "node/c.c:1: private:")

    def test_third_party_header_outside_its_owner(self):
        self.assert_broken({"node/u.c": "#include <uv.h>\n", "lib/base/x.h": "# include <openssl/ssl.h>\n"},
                           "lib/base/x.h:1: owner:", "node/u.c:1: owner:")

    def test_third_party_header_of_no_library(self):
        self.assert_broken({"node/z.c": "#include <zlib.h>\n"}, "node/z.c:1: owner: <zlib.h>")

    def test_tests_are_held_to_owners_too(self):
        self.assert_broken({"all-tests/u.c": "#include <uv.h>\n"}, "all-tests/u.c:1: owner:")

    def test_include_that_is_not_root_relative(self):
        self.assert_broken({"node/mod/b.c": '#include "a.h"\n#include "lib/../lib/base/base.h"\n#include HEADER\n',
                            "node/mod/a.h": ""},
                           "node/mod/b.c:1: root:", "node/mod/b.c:2: root:", "node/mod/b.c:3: root:")

    def test_banned_functions(self):
        for name in "alloca strcpy strcat sprintf vsprintf atoi atol strtok gets".split():
            self.assert_broken({"node/n.c": "int x;\nint y = %s (x);\n" % name}, "node/n.c:2: banned: %s " % name)

    def test_shared_state(self):
        for code in ("__atomic_add_fetch(&x, 1, 0);", "_Atomic int x;", "pthread_mutex_lock(&m);", "#include <stdatomic.h>",
                     "#include <semaphore.h>", "__sync_synchronize();", "sem_wait(&s);", "pthread_cond_t c;"):
            self.assert_broken({"node/n.c": code + "\n"}, "node/n.c:1: shared:")

    def test_file_in_a_folder_without_row(self):
        self.assert_broken({"extra/x.c": ""}, "extra/x.c:1: layer:")

    def test_tables_with_mistakes(self):
        def tables(old, new):
            self.assertIn(old, TABLES)
            return {"ARCHITECTURE.md": TABLES.replace(old, new)}
        self.assert_broken(tables("| lib/base | - |", "| lib/base | lib/xmpp |"), "ARCHITECTURE.md:1: table: lib/base",
                           "ARCHITECTURE.md:1: table: lib/xmpp")
        self.assert_broken(tables("| node | lib/base,", "| node | lib/bsae, lib/base,"), "ARCHITECTURE.md:1: table: node")
        self.assert_broken(tables("| reg | ", "| reg | x | "), "ARCHITECTURE.md:15: table:", "reg/reg.c:1: layer:")
        code, out = run(tables("## Layers", "## Layer"))
        self.assertEqual(code, 1, out)
        self.assertIn("no table under the heading '## Layers'", out)

    def test_no_tables_at_all(self):
        self.assertEqual(run({"ARCHITECTURE.md": None})[0], 2)

    def test_no_sources_at_all(self):
        code, _ = run({name: None for name in TREE if name != "ARCHITECTURE.md"})
        self.assertEqual(code, 1)


if __name__ == "__main__":
    unittest.main()
