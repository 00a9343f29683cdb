"""The check of ``dataset.mask_values``."""

from auxseg.data.mask_values import VOC_CLASSES
from auxseg.data.names import composed
from auxseg.params import Dataset


def check_mask_values(params: Dataset) -> list[str]:
    """Return the problems of ``dataset.mask_values``, one line each."""
    values, key = params.mask_values, "dataset.mask_values"
    if values == "order":
        return []
    if params.format == "coco":
        return [f"{key}: format coco goes by the names of the categories: 'order' is needed"]
    if values == "voc":
        return [
            f"{key}: 'voc' is for the classes of PASCAL VOC, of which {name!r} is none"
            for name in params.classes
            if name not in VOC_CLASSES
        ]
    named, listed = ({composed(name) for name in names} for names in (values, params.classes))
    lines = [f"{key}: lacks the class {name!r}" for name in sorted(listed - named)]
    lines += [f"{key}: {name!r} is not in dataset.classes" for name in sorted(named - listed)]
    of_value = {value: name for name, value in values.items()}
    return lines + [
        f"{key}: {name!r} and {of_value[value]!r} have the same value {value}"
        for name, value in values.items()
        if of_value[value] != name
    ]
