"""The parameters of the pipeline: what ``params.yaml`` may hold, checked before any work.

There are no defaults here: every value stands in ``params.yaml``, so this module can refuse a
value but never change a result.
"""

import re
import reprlib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from unicodedata import category

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode

MAX_ROUNDS = 6
MAX_BYTES = 2**17  # of params.yaml; reading one so large takes 10 s
MAX_KEYS = 1000  # of a section

AffinityMode = Literal["dual", "pairwise", "none"]
OutputStride = Literal[8, 16]
Precision = Literal["float32", "bfloat16-inference", "bfloat16"]

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Name = Text  # one of a registry, which auxseg/choices.py checks


def _can_stand_in_a_command(path: str) -> str:
    # dvc.yaml puts the path into double quotes, where these characters keep their meaning.
    for letter in path:
        if letter in '"$`\\' or category(letter) == "Cc":
            raise ValueError(f"a path without {letter!r} is needed: DVC puts it into a command")
    if path.startswith("-"):
        raise ValueError("a path that begins with '-' is taken for an option: write './-…'")
    if path.startswith("~"):
        raise ValueError("'~' stands for no folder here: write the whole path")
    if "://" in path:
        raise ValueError("a file or folder of this machine is needed: download it first")
    return path


def _stands_for_no_file(path: Any) -> Any:
    if not path or path in ("none", "None"):
        raise ValueError("data/none is needed, a file that stands for no file")
    return path


FilePath = Annotated[Text, AfterValidator(_can_stand_in_a_command)]
NoFilePath = Annotated[FilePath, BeforeValidator(_stands_for_no_file)]  # it may be data/none
Scales = Annotated[list[Annotated[float, Field(ge=0.1, le=4)]], Field(min_length=1)]


class Section(BaseModel):
    """Base of all sections: unknown keys and silent conversions are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Demo(Section):
    """The built-in demo dataset."""

    seed: Annotated[int, Field(ge=0)]
    train_images: Annotated[int, Field(ge=2)]
    val_images: Annotated[int, Field(ge=1)]
    min_side: Annotated[int, Field(ge=80)]
    max_side: Annotated[int, Field(ge=81, le=1024)]

    @field_validator("max_side")
    @classmethod
    def _leaves_a_choice(cls, max_side: int, info: ValidationInfo) -> int:
        # The two sides of an image always differ.
        if max_side <= info.data.get("min_side", 0):
            raise ValueError(f"more than min_side = {info.data['min_side']} is needed")
        return max_side


class Geodesic(Section):
    """Training-free saliency from geodesic distances over superpixels."""

    superpixels: Annotated[int, Field(ge=10)]
    compactness: Positive


class Onnx(Section):
    """A salient-object model in ONNX: how to prepare its input, and what its output means.

    The photograph, resized to ``size`` × ``size``, is divided by ``divide_by`` (``maximum``: its
    own largest value), then normalised by ``mean`` and ``std`` of red, green and blue. ``output``
    is the number of the output, from 0; ``values`` says what it holds (``minmax``: any numbers,
    stretched to 0..1 for each image).
    """

    model: NoFilePath
    size: Annotated[int, Field(ge=16, le=4096)]
    divide_by: Literal["maximum", 255]
    mean: Annotated[list[Finite], Field(min_length=3, max_length=3)]
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)]
    output: Annotated[int, Field(ge=0)]
    values: Literal["minmax", "probability", "logits"]


class Dataset(Section):
    """The images to use, and the dataset's names for the splits ``train`` and ``val``."""

    format: Name
    root: FilePath
    classes: Annotated[list[Text], Field(min_length=1, max_length=254)]
    train: Text
    val: Text
    examples: Count
    mask_values: Literal["order", "voc"] | dict[str, Annotated[int, Field(ge=1, le=254)]]
    difficult: bool
    max_side: Annotated[int, Field(ge=64)]

    @field_validator("val")
    @classmethod
    def _is_another_split(cls, val: str, info: ValidationInfo) -> str:
        if val == info.data.get("train"):
            raise ValueError("another one than dataset.train is needed")
        return val

    @field_validator("classes")
    @classmethod
    def _can_be_told_apart(cls, classes: list[str]) -> list[str]:
        for name in classes:
            if classes.count(name) > 1:
                raise ValueError(f"{name!r} is listed twice")
            if ";" in name:  # separates the classes of an image in the index
                raise ValueError(f"{name!r} holds a ';'")
            if name != name.strip() or any(category(letter) == "Cc" for letter in name):
                raise ValueError(f"{name!r} has spaces at an end, or a control character")
        return classes


class Saliency(Section):
    """The folder or archive of imported saliency maps; ``data/none`` means no saliency at all."""

    root: NoFilePath


class Corrections(Section):
    """The folder or file of label maps that people corrected; ``data/none`` means none."""

    root: NoFilePath


class Network(Section):
    """Backbone of the classifier and of every round's network."""

    backbone: Name
    output_stride: OutputStride
    weights: NoFilePath
    freeze_batchnorm: bool
    precision: Precision


class Augment(Section):
    """Random scale, colour, mirror and crop of images; ``crop`` is stride · n + 1 pixels."""

    scale: Annotated[Scales, Field(min_length=2, max_length=2)]
    mirror: Fraction
    jitter: Fraction
    crop: Annotated[int, Field(ge=33, le=4097)]

    @field_validator("scale")
    @classmethod
    def _is_ordered(cls, scale: list[float]) -> list[float]:
        if scale[0] > scale[1]:
            raise ValueError("[smallest, largest] is needed")
        return scale


class Schedule(Section):
    """SGD with polynomial decay (power 0.9); the heads learn ``head_factor`` times faster.

    The gradients of a step are scaled so that their norm is at most ``gradient_clip``; 0 = never.
    """

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    head_factor: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NotNegative
    gradient_clip: NotNegative


class ClassifierParams(Section):
    """Training of the classifier of round 0."""

    augment: Augment
    schedule: Schedule


class CamParams(Section):
    """Class activation maps: ready ones below ``root``, or computed over several scales."""

    root: NoFilePath
    method: Name
    scales: Scales
    mirror: bool


class PseudoLabelParams(Section):
    """Fusion of CAM and saliency into labels: a value above its threshold means object.

    Where the two disagree, ``published`` leaves the pixel open. With ``complete``, saliency decides
    what is background, and no class may vanish from an image that shows it. With ``joint``, from
    round 1 on, the network's segmentation has a say, too, and what is sure by it and by the CAM
    stays an object, even if the updated saliency drops it.
    """

    rule: Literal["published", "complete", "joint"]
    cam_threshold: Fraction
    saliency_threshold: Fraction


class LossWeights(Section):
    """Weights of the five losses; ``…_refined`` is for the predictions after the affinity."""

    classification: NotNegative
    segmentation: NotNegative
    segmentation_refined: NotNegative
    saliency: NotNegative
    saliency_refined: NotNegative


class TrainParams(Section):
    """Training of the network of a round; ``stages`` is the number of rounds.

    After a round, ``update_saliency`` says whether the saliency maps are updated, too.
    ``dilations`` are those of the three 3×3 convolutions of each task branch. With a dilation as
    large as the feature map of a crop, a convolution reads nothing but padding around its centre.
    """

    stages: Annotated[int, Field(ge=1, le=MAX_ROUNDS)]
    update_saliency: bool
    affinity: AffinityMode
    whitening: bool
    dilations: Annotated[list[Count], Field(min_length=3, max_length=3)]
    augment: Augment
    schedule: Schedule
    losses: LossWeights


class CrfKernels(Section):
    """Dense CRF: σ of position in pixels, σ of colour in grey levels, weights, iterations."""

    gaussian_sxy: Positive
    gaussian_weight: NotNegative
    bilateral_sxy: Positive
    bilateral_srgb: Positive
    bilateral_weight: NotNegative
    iterations: Count


class SaliencyCrf(CrfKernels):
    """Two-label CRF of the saliency update; τ softens its unary."""

    tau: Positive


class Predict(Section):
    """Scales and mirroring at test time."""

    scales: Scales
    mirror: bool


class Report(Section):
    """How many images of each split the page about a run shows, the most doubtful ones first."""

    images: Count


class Params(Section):
    """The whole of ``params.yaml``; ``deterministic`` concerns training on CUDA."""

    seed: Annotated[int, Field(ge=0)]
    deterministic: bool
    demo: Demo | None = None
    geodesic: Geodesic | None = None
    onnx: Onnx
    dataset: Dataset
    saliency: Saliency
    corrections: Corrections
    network: Network
    classifier: ClassifierParams
    cam: CamParams
    pseudo_labels: PseudoLabelParams
    train: TrainParams
    saliency_crf: SaliencyCrf
    predict: Predict
    crf: CrfKernels
    report: Report


class ParamsError(ValueError):
    """``params.yaml`` cannot be used; the message has one line per problem."""


S = TypeVar("S")


def given(section: S | None, name: str) -> S:
    """Return a section that only some pipelines need; ParamsError if it is missing."""
    if section is None:
        raise ParamsError(f"params.yaml: {name}: missing")
    return section


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check all parameters.

    Raises:
        ParamsError: If the file cannot be read, or a value is not allowed; each line of the message
            names key, value and what is allowed.
    """
    try:
        # The same YAML 1.2 reader as DVC: `1e-3` is a number, `no` a string.
        if path.stat().st_size > MAX_BYTES:
            raise ParamsError(f"{path}: cannot be read: larger than {MAX_BYTES >> 10} KiB")
        yaml = YAML(typ="safe", pure=True)
        yaml.Constructor = _Constructor
        values = yaml.load(path.read_text("utf-8"))
    except FileNotFoundError:
        line = f"{path}: cannot be read: no such file; run this in the folder of the project"
        raise ParamsError(line) from None
    except UnicodeDecodeError:
        raise ParamsError(f"{path}: cannot be read: not UTF-8 text") from None
    except RecursionError:
        raise ParamsError(f"{path}: cannot be read: nested too deeply") from None
    except (OSError, ValueError, YAMLError) as error:
        raise ParamsError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: holds no parameters: lines such as `seed: 0` are needed")
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        lines = [_describe(path, problem) for problem in error.errors()]
        raise ParamsError("\n".join(lines)) from error
    if lines := [f"{path}: {problem}" for problem in _crops_off_the_grid(params)]:
        raise ParamsError("\n".join(lines))
    return params


class _Constructor(SafeConstructor):
    """Refuses sections that merge one another (`<<`) until they fill the memory."""

    def flatten_mapping(self, node: MappingNode) -> Any:
        merged = super().flatten_mapping(node)
        if len(node.value) > MAX_KEYS:
            raise ValueError(f"a section of more than {MAX_KEYS} keys, most of them merged")
        return merged


def _crops_off_the_grid(params: Params) -> list[str]:
    """Describe the crops whose corners would not be corner features."""
    stride = params.network.output_stride
    crops = {"classifier": params.classifier.augment.crop, "train": params.train.augment.crop}
    return [
        f"{section}.augment.crop = {crop}: {stride}n+1 is needed, such as {below} or "
        f"{below + stride}"
        for section, crop in crops.items()
        if (below := crop - (crop - 1) % stride) != crop
    ]


def _describe(path: Path, problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{path}: {key}: unknown key (its value is {_shown(problem['input'])})"
    if problem["type"] == "missing":
        return f"{path}: {key}: missing"
    message = re.sub("^Value error, | or instance of .*", "", problem["msg"])
    return f"{path}: {key} = {_shown(problem['input'])}: {message[0].lower()}{message[1:]}"


def _shown(value: Any) -> str:
    """Return a value as text of bounded length: aliases in YAML make small files large."""
    short = reprlib.Repr()
    short.maxlevel, short.maxlist, short.maxdict, short.maxstring = 3, 300, 30, 300
    return "null" if value is None else short.repr(value)
