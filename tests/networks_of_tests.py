"""Networks by a line each."""

from collections.abc import Sequence

from auxseg.auxsegnet.network import DILATIONS, AuxSegNet, AuxSegNetConfig
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import NetworkConfig
from auxseg.params import AffinityMode, OutputStride, Precision


def new_classifier(
    backbone: str,
    classes: int,
    freeze_batchnorm: bool,
    output_stride: OutputStride = 8,
    precision: Precision = "float32",
) -> Classifier:
    """Round 0's network, with random weights."""
    return Classifier(
        NetworkConfig(
            backbone=backbone,
            classes=classes,
            freeze_batchnorm=freeze_batchnorm,
            output_stride=output_stride,
            precision=precision,
        )
    )


def new_auxsegnet(
    backbone: str,
    classes: int,
    freeze_batchnorm: bool,
    affinity: AffinityMode,
    whitening: bool,
    dilations: Sequence[int] = DILATIONS,
    output_stride: OutputStride = 8,
    precision: Precision = "float32",
) -> AuxSegNet:
    """A round's network, with random weights."""
    return AuxSegNet(
        AuxSegNetConfig(
            backbone=backbone,
            classes=classes,
            freeze_batchnorm=freeze_batchnorm,
            affinity=affinity,
            whitening=whitening,
            dilations=dilations,
            output_stride=output_stride,
            precision=precision,
        )
    )
