"""Label maps as tasks of Label Studio: polygons, in percent of the photograph's sides."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from auxseg.annotations.names import names_of_labels
from auxseg.annotations.photographs import write_photograph
from auxseg.annotations.regions import Region, find_regions
from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.data.palette import voc_palette

TASKS, CONFIG = "tasks.json", "config.xml"
MODEL = "auxseg"  # the version that predictions name

_IMAGE, _POLYGONS = "image", "polygons"  # names in the labelling configuration
_TOOLS = {_POLYGONS: "PolygonLabels", "brush": "BrushLabels", "rectangles": "RectangleLabels"}


def write_label_studio(folder: Path, index: Index, maps: Iterable[tuple[Entry, Bytes]]) -> None:
    """Write ``images/<id>.jpg``, ``tasks.json`` and ``config.xml``.

    The label maps are predictions, with which annotators begin. There are no holes, as Label Studio
    has none: smaller polygons lie on larger ones, and background in a hole is a polygon
    ``background``. The addresses of the images are those of local files, with ``folder`` as the
    document root.

    Args:
        folder: An empty folder.
        index: Where the photographs are.
        maps: Each image and its label map (H, W) uint8.
    """
    names = names_of_labels(index.classes)
    tasks: list[dict[str, Any]] = []
    (folder / "images").mkdir()
    for entry, labels in maps:
        photograph = f"images/{entry.id}.jpg"
        write_photograph(folder / photograph, index, entry)
        regions = [region for region in find_regions(labels) if region.label != region.beneath]
        results = [
            _result(number, region, names[region.label], entry)
            for number, region in enumerate(regions)
        ]
        task = {
            "data": {"image": f"/data/local-files/?d={photograph}", "id": entry.id},
            "predictions": [{"model_version": MODEL, "result": results}],
        }
        tasks.append(task)
    (folder / TASKS).write_text(json.dumps(tasks, ensure_ascii=False), "utf-8")
    (folder / CONFIG).write_text(_config(list(names.items())), "utf-8")


def _result(number: int, region: Region, name: str, entry: Entry) -> dict[str, Any]:
    percent = region.outline * (100 / np.array([entry.width, entry.height]))
    return {
        "id": f"region{number}",
        "type": "polygonlabels",
        "from_name": _POLYGONS,
        "to_name": _IMAGE,
        "original_width": entry.width,
        "original_height": entry.height,
        "image_rotation": 0,
        "value": {"points": percent.tolist(), "closed": True, "polygonlabels": [name]},
    }


def _config(names: Sequence[tuple[int, str]]) -> str:
    """Return a labelling configuration with polygons, brush and rectangles."""
    colours = voc_palette()
    labels = "".join(
        f'    <Label value={quoteattr(name)} background="#{colours[label].tobytes().hex()}"/>\n'
        for label, name in names
    )
    tools = "".join(
        f'  <{tool} name="{name}" toName="{_IMAGE}">\n{labels}  </{tool}>\n'
        for name, tool in _TOOLS.items()
    )
    image = f'  <Image name="{_IMAGE}" value="$image" zoom="true" zoomControl="true"/>\n'
    return f"<View>\n{image}{tools}</View>\n"
