"""Check all of params.yaml before anything else runs; the schema helps editors to do the same."""

from pathlib import Path

from auxseg.artifacts import write_json
from auxseg.params import Params, load_params
from stages import run


def main(out: Path) -> None:
    """Refuse bad parameters, then write the JSON schema of good ones to OUT."""
    load_params()
    write_json(out, Params.model_json_schema())


if __name__ == "__main__":
    run(main)
