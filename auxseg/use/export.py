"""A trained network as files that run without this library: torch.export and ONNX.

Both take ``images`` (B, 3, H, W) float32, normalised by the ImageNet mean and deviation, of any B,
H and W; sides of the form output stride · n + 1 are best. Both give ``segmentation``
(B, K+1, h, w) refined logits, ``classification`` (B, K) logits and ``saliency`` (B, 1, h, w)
refined probabilities on the grid of the output stride, corner features on corner pixels.
"""

import io
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from auxseg.auxsegnet.network import AuxSegNet, Outputs
from auxseg.data.files import new_file
from auxseg.networks.stored import load_network
from auxseg.use.outputs import refuse_pipeline_folder

OUTPUTS = ("segmentation", "classification", "saliency")
ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
# Neither of these sizes is the traced one.
SIZES = ((1, 3, 65, 97), (3, 3, 50, 41))
# Relative to the largest number of an output; other kernels sum in another order.
TOLERANCE = 1e-4


class Deployed(nn.Module):
    """The outputs of a trained network that are of use."""

    def __init__(self, network: AuxSegNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, 3, H, W) → the ``OUTPUTS``; the module's docstring gives their shapes."""
        outputs: Outputs = self.network(images)
        saliency = outputs.saliency_refined.sigmoid()
        return outputs.segmentation_refined, outputs.classification.logits, saliency


def export_network(model: Path, out: Path) -> None:
    """Write the network in the folder ``model`` to ``out``: ``network.pt2`` and ``network.onnx``.

    Each is compared with the network before it is kept, and the difference is printed.

    Raises:
        ValueError: If a file differs from the network, a package for ONNX is not installed, or
            ``out`` is a folder of the pipeline.
    """
    refuse_pipeline_folder(out)
    network = load_network(model, AuxSegNet).cpu()
    program = export_program(network)
    for name, write, outputs in (
        ("network.pt2", write_program, run_program),
        ("network.onnx", write_onnx, run_onnx),
    ):
        path = out / name
        with new_file(path) as file:
            write(file, program)
            error = difference(network, str(path), partial(outputs, file))
        print(f"{path}: differs from PyTorch by {error:.1e} at most")


def export_program(network: AuxSegNet) -> ExportedProgram:
    """Trace ``network``, in eval mode on the CPU, for all batch sizes, heights and widths.

    From then on it computes in float32, as the exported one does, because not every runtime has
    bfloat16.
    """
    network.precision = "float32"
    shapes = {"images": {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}}
    # With gradients enabled the pairwise affinity is whole: chunks would fix the size.
    with torch.enable_grad():
        return torch.export.export(
            Deployed(network), (torch.zeros(2, 3, 73, 89),), dynamic_shapes=shapes
        )


def write_program(path: Path, program: ExportedProgram) -> None:
    """Write ``program`` as a ``.pt2`` archive."""
    archive = io.BytesIO()  # given a path, torch.export wants it to end with .pt2
    torch.export.save(program, archive)
    path.write_bytes(archive.getvalue())


def write_onnx(path: Path, program: ExportedProgram) -> None:
    """Write ``program`` as one ONNX file.

    Raises:
        ValueError: If a package for it is not installed.
    """
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise ValueError(f"ONNX needs {', '.join(missing)}: pip install '.[onnx]'")
    torch.onnx.export(
        program,
        (),
        path,
        input_names=["images"],
        output_names=list(OUTPUTS),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def run_program(path: Path, images: Tensor) -> list[Tensor]:
    """Return the outputs of a ``.pt2`` archive.

    Reading an archive may execute code in it, so it must come from a trusted source.
    """
    return list(torch.export.load(io.BytesIO(path.read_bytes())).module()(images))


def run_onnx(path: Path, images: Tensor) -> list[Tensor]:
    """Return the outputs of an ONNX file, by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [torch.as_tensor(values) for values in session.run(None, {"images": images.numpy()})]


@torch.no_grad()
def difference(
    network: AuxSegNet, file: str, outputs: Callable[[Tensor], Sequence[Tensor]]
) -> float:
    """Return the largest difference between the outputs of a file and a network, at two sizes.

    Args:
        network: In eval mode on the CPU.
        file: Names the file in the message.
        outputs: Images (B, 3, H, W) → the ``OUTPUTS`` of the file.

    Raises:
        ValueError: If a difference exceeds ``TOLERANCE`` of an output's largest number.
    """
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for size in SIZES:
        images = torch.randn(size, generator=generator)
        pairs = zip(OUTPUTS, outputs(images), Deployed(network)(images), strict=True)
        for name, exported, expected in pairs:
            error = float((exported - expected).abs().max())
            if not error <= TOLERANCE * float(expected.abs().max()):
                raise ValueError(
                    f"{file}: {name} differs by {error:.1e} at size {size}; not written"
                )
            largest = max(largest, error)
    return largest
