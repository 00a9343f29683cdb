"""Import the saliency maps of the training images, resized to their photographs."""

from auxseg.system.stage import run

from collections.abc import Iterator
from pathlib import Path

from auxseg.data.arrays import Bytes
from auxseg.data.corrections import correct_saliency, read_correction
from auxseg.data.files import NO_FILE, new_folder, verify
from auxseg.data.index import read_index
from auxseg.data.maps import decode_map, encode_grey, write_files
from auxseg.data.photos import open_image
from auxseg.data.turning import orientation
from auxseg.saliency.imported import SaliencyError, import_maps, refusal
from auxseg.saliency.remarks import Traits, decode, encode, uneven, warnings
from auxseg.system.messages import warn
from auxseg.work.images import collect
from auxseg.work.making import making


def main(dataset: Path, root: Path, corrections: Path, out: Path) -> None:
    """Write a map for each training image of DATASET from ROOT, a folder or archive, to OUT.

    Images with CORRECTIONS get the saliency of these. With `data/none` as ROOT, OUT stays empty,
    and the pipeline runs without saliency.
    """
    if root.name == NO_FILE:
        with new_folder(out):
            return
    verify(root)
    index = read_index(dataset)
    entries = {entry.id: entry for entry in index.entries}
    sizes = {id_: (entry.height, entry.width) for id_, entry in entries.items()}
    kept: dict[str, Traits] = {}

    def turning(id_: str) -> int:
        return orientation(open_image(index.photograph(entries[id_]).data))

    def rest(done: set[str]) -> Iterator[tuple[str, bytes]]:
        for id_, map_ in import_maps(root, sizes, turning, done):
            yield id_, encode(map_.traits, encode_grey(map_.pixels))

    def images(records: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        for id_, record in records:
            kept[id_], image = decode(record)
            correction = read_correction(corrections, id_)
            yield id_, image if correction is None else corrected(image, correction)

    with making(out, params=None) as (folder, scratch):
        write_files(folder, images(collect(list(sizes), rest, scratch, "saliency")))
        if squares := uneven(kept):
            unfit = [f"{id_}: {kept[id_].width}×{kept[id_].height}" for id_ in squares]
            raise SaliencyError(refusal(root, len(sizes), unfit))
        warn(warnings(kept, turning))


def corrected(image: bytes, correction: Bytes) -> bytes:
    """Return an encoded map with the saliency of a correction (H, W)."""
    return encode_grey(correct_saliency(decode_map(image), correction))


if __name__ == "__main__":
    run(main)
