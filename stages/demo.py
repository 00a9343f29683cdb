"""Write the built-in demo dataset in PASCAL VOC layout."""

from auxseg.system.stage import run

from pathlib import Path

from auxseg.data.files import new_folder
from auxseg.demo.demo import write_demo
from auxseg.params import given, load_params


def main(out: Path) -> None:
    """Generate the demo into OUT."""
    demo = given(load_params().demo, "demo")
    with new_folder(out) as folder:
        write_demo(
            folder,
            seed=demo.seed,
            train_images=demo.train_images,
            val_images=demo.val_images,
            min_side=demo.min_side,
            max_side=demo.max_side,
        )


if __name__ == "__main__":
    run(main)
