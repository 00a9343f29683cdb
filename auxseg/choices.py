"""The names that ``params.yaml`` may hold: of backbones, dataset formats and CAM methods."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from auxseg.cam.methods import METHODS
from auxseg.datasets.formats import FORMATS
from auxseg.datasets.mask_values import check_mask_values
from auxseg.networks.backbones import BACKBONES
from auxseg.params import Params, ParamsError

CHOICES: dict[str, Collection[str]] = {
    "network.backbone": BACKBONES,
    "dataset.format": FORMATS,
    "cam.method": METHODS,
}


def check_choices(params: Params, path: Path = Path("params.yaml")) -> None:
    """Check the names in the parameters, and that the backbone has the output stride.

    Raises:
        ParamsError: If a name is unknown, or the backbone lacks the stride; the message has one
            line per problem.
    """
    lines = [
        f"{path}: {key} = {value!r}: {_listed(known)} is needed"
        for key, known in CHOICES.items()
        if (value := _value(params, key)) not in known
    ]
    network = params.network
    if network.backbone in BACKBONES:
        strides = BACKBONES[network.backbone].output_strides
        if network.output_stride not in strides:
            lines.append(
                f"{path}: network.output_stride = {network.output_stride}: "
                f"{network.backbone} has no other than {strides[0]}"
            )
    lines += [f"{path}: {line}" for line in check_mask_values(params.dataset)]
    if lines:
        raise ParamsError("\n".join(lines))


def schema() -> dict[str, Any]:
    """Return the JSON schema of ``params.yaml``, for editors."""
    whole = Params.model_json_schema()
    for key, known in CHOICES.items():
        section, name = key.split(".")
        definition = whole["properties"][section]["$ref"].rpartition("/")[2]
        whole["$defs"][definition]["properties"][name]["enum"] = list(known)
    return whole


def _value(params: Params, key: str) -> Any:
    section, name = key.split(".")
    return getattr(getattr(params, section), name)


def _listed(names: Collection[str]) -> str:
    *most, last = map(repr, names)
    return f"{', '.join(most)} or {last}"
