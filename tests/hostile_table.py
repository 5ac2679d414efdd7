"""Print the table of hostile calls that the README holds, from `records/hostile.json`, which long runs write."""

import json
from pathlib import Path

record = json.loads((Path(__file__).parent / "records" / "hostile.json").read_text())
print("| function | hostile calls tried | answered | refused | compared with the definition | failures |")
print("|---|---:|---:|---:|---:|---:|")
for name, tried in record.items():
    counts = (tried[key] for key in ("examples", "results", "refused", "checked by definition", "failures"))
    print(f"| `{name}` | " + " | ".join(map(str, counts)) + " |")
commits = ", ".join(sorted({tried["commit"] for tried in record.values()}))
machines = ", ".join(sorted({f"{tried['machine']} ({tried['isa']})" for tried in record.values()}))
print(f"\nOn {machines}, commit {commits}.")
