"""Saliency from the pixels alone: what the image border cannot reach without crossing an edge.

It needs no training and no weights, so it can replace a pre-trained salient-object model. It
follows Wei et al., "Geodesic Saliency Using Background Priors" (ECCV 2012): most of the border is
background, and background is large and smooth. A path from the border through background is
therefore short, while a path into an object has to cross its outline. Objects that are cut off by
the border are the method's known weakness.
"""

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from skimage.color import rgb2lab
from skimage.segmentation import slic

from auxseg import params
from auxseg.data.arrays import Bytes

# Distance in CIE Lab from which a region is fully salient. A fixed scale, not the image's own
# maximum, so that an image with nothing salient stays dark.
FULLY_SALIENT = 15.0


class Geodesic:
    """``geodesic_saliency`` with the parameters of its section."""

    def __init__(self, params: params.Geodesic) -> None:
        self._params = params

    def __call__(self, image: Bytes) -> Bytes:
        """Photograph (H, W, 3) RGB → its map (H, W), 255 = salient."""
        return geodesic_saliency(
            image,
            superpixels=self._params.superpixels,
            compactness=self._params.compactness,
        )


def geodesic_saliency(image: Bytes, *, superpixels: int, compactness: float) -> Bytes:
    """Compute a saliency map of one image, deterministically.

    Args:
        image: (H, W, 3) uint8 RGB; a grey image has three equal channels. Any H, W >= 1.
        superpixels: Approximate number of regions that SLIC cuts the image into.
        compactness: SLIC's weight of nearness in space against likeness in colour.

    Returns:
        (H, W) uint8, 255 = certainly salient; constant within a superpixel, and 0 wherever a
        superpixel touches the border.
    """
    lab = rgb2lab(image)
    # Slightly blurred, because noise of single pixels would tear the superpixels apart.
    regions = slic(image, n_segments=superpixels, compactness=compactness, sigma=0.7, start_label=0)
    colours = _region_means(lab, regions)
    left, right = _neighbours(regions)
    contrast = np.linalg.norm(colours[left] - colours[right], axis=1)
    # Texture makes every step cost a little, which adds up over the long paths to the centre of
    # the image. So the usual step is free, and only what exceeds it counts.
    usual = np.median(contrast) if contrast.size else 0.0
    cost = np.maximum(contrast - usual, 0)
    graph = coo_array((cost, (left, right)), shape=(len(colours), len(colours))).tocsr()
    border = np.unique(np.concatenate([regions[[0, -1]].ravel(), regions[:, [0, -1]].ravel()]))
    distance = dijkstra(graph, directed=False, indices=border, min_only=True)

    share = np.clip(distance / FULLY_SALIENT, 0, 1)
    # An S-curve: the map of a trained model is nearly binary, and fusion uses a low threshold.
    saliency = share**2 * (3 - 2 * share)
    return np.asarray((255 * saliency).round().astype(np.uint8)[regions])


def _region_means(
    lab: npt.NDArray[np.float64], regions: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the mean colour (n, 3) of each region: colours (H, W, 3), labels (H, W) of 0..n-1."""
    labels = regions.ravel()
    sums = [np.bincount(labels, weights=channel.ravel()) for channel in np.moveaxis(lab, 2, 0)]
    return np.stack(sums, axis=1) / np.bincount(labels)[:, None]


def _neighbours(
    regions: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the pairs of regions that share an edge, each pair once, the smaller label first."""
    across = np.stack([regions[:, :-1].ravel(), regions[:, 1:].ravel()])
    down = np.stack([regions[:-1].ravel(), regions[1:].ravel()])
    pairs = np.sort(np.concatenate([across, down], axis=1), axis=0)
    left, right = np.unique(pairs[:, pairs[0] != pairs[1]], axis=1)
    return left, right
