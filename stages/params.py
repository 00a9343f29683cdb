"""Refuse bad parameters before any work, and write their schema for editors."""

from auxseg.system.stage import run

from pathlib import Path

from auxseg.choices import check_choices, schema
from auxseg.data.files import write_json
from auxseg.params import load_params


def main(out: Path) -> None:
    """Check params.yaml and write its JSON schema to OUT."""
    check_choices(load_params())
    write_json(out, schema())


if __name__ == "__main__":
    run(main)
