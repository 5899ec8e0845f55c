"""What runs left behind, by scenario and variant: medians, spread, what failed."""
import json
import os
import statistics


class Results:
    def __init__(self, out):
        self.rows = {}  # (scenario, server, setup): rows of its rounds
        for name in sorted(os.listdir(out)):
            if name.endswith(".jsonl"):
                with open(os.path.join(out, name)) as f:
                    for row in map(json.loads, f):
                        self.rows.setdefault((row["scenario"], row["server"], row["setup"]), []).append(row)
        with open(os.path.join(out, "machine.json")) as f:
            self.machine = json.load(f)

    def has(self, scenario):
        return any(k[0] == scenario for k in self.rows)

    def all(self, scenario, variant):
        return self.rows.get((scenario, *variant), [])

    def values(self, scenario, variant, key):
        """Of the rounds that went well."""
        got = (r["figures"] for r in self.all(scenario, variant))
        return [g[key] for g in got if g["ok"] and g.get(key) is not None]

    def median(self, scenario, variant, key):
        """None if nobody measured it."""
        values = self.values(scenario, variant, key)
        return statistics.median(values) if values else None

    def failed(self, scenario, variant):
        return [r["figures"].get("error") or "?" for r in self.all(scenario, variant) if not r["figures"]["ok"]]

    @property
    def quick(self):
        return any(r["quick"] for rows in self.rows.values() for r in rows)

    @property
    def rounds(self):
        return max((len(rows) for rows in self.rows.values()), default=0)
