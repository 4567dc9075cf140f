"""Everything that docs/validation/trials.md says of in-silico trials, by the commands a user has.

`python validation/trials.py [FOLDER]` takes about fifteen minutes on two idle cores, less where FOLDER holds a
calibration: it calibrates, scores, explains and predicts, and writes `validation/trials.json`. The layer that ships is replaced by what it finds. The frozen predictions
of `validation/predictions/trials` are compared, never written: to freeze anew, give `abscopal trials predict withheld`
a reason. No outcome of a withheld trial is read: the table holds none.
"""

import io
import json
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from abscopal.cli.main import main as abscopal

HERE = Path(__file__).parent
KNOWLEDGE = HERE.parent / "src" / "abscopal" / "knowledge" / "data" / "trials"
FROZEN = HERE / "predictions" / "trials"
CHANGING = ("written", "version", "design")
"""What may differ between a prediction and its frozen form without the prediction being another one."""


def command(*words: object) -> Any:
    """What `abscopal trials` prints with --json."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        try:
            abscopal(["trials", *map(str, words), "--json"])
        except SystemExit as ended:
            if ended.code:
                raise
    return json.loads(printed.getvalue())


def differs(folder: Path) -> list[str]:
    """Frozen predictions that this version makes otherwise, by file and end point."""
    found = []
    for path in sorted(FROZEN.glob("*.json")):
        frozen, now = (json.loads(each.read_text(encoding="utf-8")) for each in (path, folder / path.name))
        for endpoint, old in frozen["endpoints"].items():
            new = now["endpoints"].get(endpoint, {})
            found += [f"{path.name}: {endpoint}, {name}" for name, value in old.items() if new.get(name) != value]
        found += [f"{path.name}: {name}" for name in frozen
                  if name not in (*CHANGING, "endpoints") and now[name] != frozen[name]]  # fmt: skip
    return found


def main(given: Path | None = None) -> None:
    """Do all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = given or Path(name)
        found = command("calibrate", "--out", folder)
        for path in ("population_layer", "response_layer"):
            for ending in ("csv", "toml"):
                shutil.copyfile(folder / f"{path}.{ending}", KNOWLEDGE / f"{path}.{ending}")
        del found["files"]
        for endpoint in ("PFS", "OS"):
            scored = command("score", "--endpoint", endpoint, "--calibration", folder)
            found[endpoint] |= {"summary": scored["summary"], "trials": scored["trials"]}
        found["explained"] = command("explain", "--calibration", folder)["explained"]
        command("predict", "withheld", "--calibration", folder, "--out", Path(name) / "predictions")
        found["frozen_predictions_that_differ"] = differs(Path(name) / "predictions")
    (HERE / "trials.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
