"""ImageNet weights from torchvision."""

from pathlib import Path
from urllib.parse import urlsplit

import torch
import torchvision
from torch import Tensor

from auxseg.weights.states import read_states


def fetch(name: str) -> dict[str, Tensor]:
    """Return torchvision's default weights of a network, downloaded once into torch's hub cache.

    Raises:
        ValueError: If there is no such network, its weights cannot be downloaded, or the file in
            the cache is damaged.
    """
    url = torchvision.models.get_model_weights(name)["DEFAULT"].url
    path = Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(url).path).name)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        found = torch.hub.HASH_REGEX.search(path.name)
        try:
            torch.hub.download_url_to_file(url, str(path), found[1] if found else None)
        except (OSError, RuntimeError) as error:  # the latter: another checksum
            raise ValueError(f"{url}: cannot be downloaded: {error}") from error
    try:
        state, *_ = read_states(path)
    except ValueError as error:
        # torch compares the checksum only while it downloads.
        raise ValueError(f"{error}; remove the file to have it downloaded again") from error
    return {key: value.contiguous() for key, value in state.tensors.items()}
