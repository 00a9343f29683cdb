"""Bad parameters are refused before any work: one line names key, value and what is allowed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from auxseg.choices import check_choices, schema
from auxseg.params import Params, ParamsError, load_params
from project import ROOT

SHIPPED = ROOT / "params.yaml"
PRESETS = sorted((SHIPPED.parent / "params").glob("*.yaml"))


def shipped() -> dict[str, Any]:
    values: dict[str, Any] = YAML(typ="safe").load(SHIPPED.read_text("utf-8"))
    return values


def store(folder: Path, values: dict[str, Any]) -> Path:
    path = folder / "params.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(values, file)
    return path


def changed(key: str, value: object) -> dict[str, Any]:
    """The shipped parameters, with one of them set."""
    values = shipped()
    *sections, name = key.split(".")
    section = values
    for part in sections:
        section = section[part]
    section[name] = value
    return values


def load(path: Path) -> Params:
    """As the stage `params` does."""
    params = load_params(path)
    check_choices(params, path)
    return params


def refusal(path: Path) -> str:
    with pytest.raises(ParamsError) as error:
        load(path)
    return str(error.value)


def test_the_shipped_parameters_are_good() -> None:
    params = load_params(SHIPPED)
    assert params.model_dump() == shipped()


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.name)
def test_every_parameter_file_is_good_and_says_something_of_its_own(path: Path) -> None:
    assert load(path) != load(SHIPPED)


def test_parameters_come_back_as_they_stand(tmp_path: Path) -> None:
    params = load_params(store(tmp_path, changed("train.stages", 5)))
    assert params.train.stages == 5


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        # Out of range.
        ("train.stages", 0, "greater than or equal to 1"),
        ("train.stages", 7, "less than or equal to 6"),
        ("seed", -1, "greater than or equal to 0"),
        ("demo.train_images", 1, "greater than or equal to 2"),
        ("demo.min_side", 79, "greater than or equal to 80"),
        ("cam.scales", [], "at least 1 item"),
        ("pseudo_labels.cam_threshold", 1.5, "less than or equal to 1"),
        ("pseudo_labels.saliency_threshold", -0.1, "greater than or equal to 0"),
        ("train.augment.mirror", 2, "less than or equal to 1"),
        ("train.schedule.learning_rate", 0, "greater than 0"),
        ("train.schedule.momentum", 1, "less than 1"),
        ("train.schedule.epochs", 0, "greater than or equal to 1"),
        ("train.losses.saliency", -1, "greater than or equal to 0"),
        ("crf.iterations", 0, "greater than or equal to 1"),
        ("dataset.classes", [], "at least 1 item"),
        ("dataset.max_side", 63, "greater than or equal to 64"),
        ("dataset.classes", [f"c{n}" for n in range(255)], "at most 254 items"),
        ("train.augment.scale", [1.0], "at least 2 items"),
        ("train.dilations", [2, 4], "at least 3 items"),
        # Not a number.
        ("train.schedule.learning_rate", float("nan"), "finite|greater than 0"),
        ("train.schedule.weight_decay", float("inf"), "finite"),
        ("train.schedule.gradient_clip", -1.0, "greater than or equal to 0"),
        ("pseudo_labels.rule", "keep", "complete"),
        ("pseudo_labels.cam_threshold", float("nan"), "finite|greater than|less than"),
        # Of another kind.
        ("train.stages", "2", "valid integer"),
        ("train.stages", 2.0, "valid integer"),
        ("train.stages", True, "valid integer"),
        ("train.stages", None, "valid integer"),
        ("train.whitening", "yes", "valid boolean"),
        ("network.freeze_batchnorm", 1, "valid boolean"),
        ("cam.scales", 1.0, "valid list"),
        ("dataset.root", 3, "valid string"),
        ("dataset.root", "", "at least 1 character"),
        ("crf", 5, "valid dictionary"),
        ("onnx.mean", [0.5, 0.5], "at least 3 items"),
        ("onnx.output", -1, "greater than or equal to 0"),
        # Not one of the choices.
        ("onnx.divide_by", "255", "'maximum' or 255"),
        ("onnx.values", "softmax", "'minmax', 'probability' or 'logits'"),
        ("train.affinity", "triple", "'dual', 'pairwise' or 'none'"),
        ("network.backbone", "vgg16", "'resnet38d'.*'tiny'"),
        ("dataset.format", "ade20k", "'voc', 'coco' or 'folder'"),
        # Rules of our own.
        ("train.augment.crop", 96, "8n\\+1 is needed, such as 89 or 97"),
        ("network.output_stride", 16, "tiny has no other than 8"),
        ("cam.method", "gradcam", "'cam' or 'layercam'"),
        ("network.weights", "none", "data/none is needed"),
        ("saliency.root", "none", "data/none is needed"),
        ("onnx.model", "none", "data/none is needed"),
        ("cam.root", "none", "data/none is needed"),
        ("network.weights", None, "data/none is needed"),
        ("saliency.root", None, "data/none is needed"),
        ("onnx.model", "", "data/none is needed"),
        ("cam.root", False, "data/none is needed"),
        ("dataset.root", None, "valid string"),
        ("network.output_stride", 32, "8 or 16"),
        ("classifier.augment.crop", 25, "greater than or equal to 33"),
        ("train.augment.scale", [1.2, 0.8], "\\[smallest, largest\\] is needed"),
        ("dataset.classes", ["cat", "dog", "cat"], "listed twice"),
        ("dataset.classes", ["cat;dog"], "';'"),
        ("dataset.classes", ["cat ", "dog"], "spaces at an end"),
        ("dataset.val", "train", "another one than dataset.train"),
        ("dataset.classes", ["two\nlines"], "control character"),
        # Unknown.
        ("train.momentum", 0.9, "unknown key"),
        ("sed", 0, "unknown key"),
    ],
)
def test_a_bad_value_is_one_line_with_key_value_and_what_is_allowed(
    key: str, value: object, allowed: str, tmp_path: Path
) -> None:
    path = store(tmp_path, changed(key, value))
    message = refusal(path)
    assert "\n" not in message
    assert message.startswith(f"{path}: {key}")
    assert ("null" if value is None else repr(value)) in message
    with pytest.raises(ParamsError, match=allowed):
        load(path)


PATHS = ("dataset.root", "saliency.root", "network.weights", "onnx.model", "cam.root")


@pytest.mark.parametrize("key", PATHS)
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("own$HOME", "a path without '$' is needed"),
        ('the "best"', "a path without '\"' is needed"),
        ("`id`", "a path without '`' is needed"),
        ("C:\\own", "a path without '\\\\' is needed"),
        ("two\nlines", "a path without '\\n' is needed"),
        ("a\0b", "a path without '\\x00' is needed"),
        ("-rf", "taken for an option: write './-…'"),
        ("~/own", "write the whole path"),
        ("https://example.org/own.zip", "download it first"),
    ],
)
def test_a_path_that_the_shell_would_change_is_refused_by_its_key(
    key: str, value: str, problem: str, tmp_path: Path
) -> None:
    path = store(tmp_path, changed(key, value))
    message = refusal(path)
    assert message.startswith(f"{path}: {key} = {value!r}: ")
    assert problem in message


@pytest.mark.parametrize("key", PATHS)
@pytest.mark.parametrize(
    "value",
    [
        "my data/own",
        "own (copy)",
        "R&D",
        "own's",
        "a;b",
        "ä/ö",
        "../own/",
        "/srv/own",
        "./-x",
        "a~",
    ],
)
def test_any_other_path_will_do(key: str, value: str, tmp_path: Path) -> None:
    section, name = key.split(".")
    params = load(store(tmp_path, changed(key, value)))
    assert getattr(getattr(params, section), name) == value


def test_an_item_of_a_list_is_named_by_its_position(tmp_path: Path) -> None:
    path = store(tmp_path, changed("cam.scales", [0.5, 9.0, 1.0]))
    assert f"{path}: cam.scales.1 = 9.0: " in refusal(path)


@pytest.mark.parametrize("key", ["seed", "train", "train.stages", "saliency_crf.tau"])
def test_a_missing_value_is_named(key: str, tmp_path: Path) -> None:
    values = shipped()
    *sections, name = key.split(".")
    section = values
    for part in sections:
        section = section[part]
    del section[name]
    path = store(tmp_path, values)
    assert refusal(path) == f"{path}: {key}: missing"


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    values = changed("train.stages", 9)
    del values["seed"]
    values["crf"]["extra"] = 1
    lines = refusal(store(tmp_path, values)).split("\n")
    assert len(lines) == 3
    for key in ("train.stages", "seed", "crf.extra"):
        assert sum(f": {key}" in line for line in lines) == 1


def edited(folder: Path, edit: Callable[[str], str]) -> Path:
    path = folder / "params.yaml"
    path.write_text(edit(SHIPPED.read_text("utf-8")), "utf-8")
    return path


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text + "\ntrain: [",
        lambda text: text + "\nseed: 1",  # a key twice
        lambda text: text.replace("seed:", "\tseed:"),
    ],
)
def test_broken_yaml_is_one_line_that_names_the_file(
    edit: Callable[[str], str], tmp_path: Path
) -> None:
    path = edited(tmp_path, edit)
    message = refusal(path)
    assert message.startswith(f"{path}: cannot be read: ")
    assert "\n" not in message
    assert "line" in message


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("root: ", "root: 2001-99-99  # ", 1),
        lambda text: text.replace("seed: 0", f"seed: {'9' * 5000}"),
        lambda text: text + "x: " + "[" * 500,
    ],
)
def test_values_that_yaml_cannot_hold_are_one_line_that_names_the_file(
    edit: Callable[[str], str], tmp_path: Path
) -> None:
    path = edited(tmp_path, edit)
    message = refusal(path)
    assert message.startswith(f"{path}: cannot be read: ")
    assert "\n" not in message


@pytest.mark.timeout(30)
def test_a_value_that_aliases_make_large_is_shown_in_part(tmp_path: Path) -> None:
    lines = ["x0: &x0 [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 10):
        lines.append(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]")
    message = refusal(edited(tmp_path, lambda text: "\n".join([*lines, text])))
    assert len(message.split("\n")) == 10
    assert len(message) < 10**5


@pytest.mark.parametrize("content", [b"", b"3", b"- a\n", b"\xff\xfe\x00"])
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    assert refusal(path).startswith(f"{path}: cannot be read: ")


@pytest.mark.parametrize("written", ["1e-3", "1.0e-3", "0.001", ".001"])
def test_numbers_may_be_written_as_in_a_paper(written: str, tmp_path: Path) -> None:
    """YAML 1.1 takes `1e-3` for text."""
    values = changed("train.schedule.learning_rate", 0.123456)
    path = store(tmp_path, values)
    path.write_text(path.read_text("utf-8").replace("0.123456", written), "utf-8")
    assert load_params(path).train.schedule.learning_rate == 0.001


def test_whole_numbers_are_good_where_fractions_are(tmp_path: Path) -> None:
    params = load_params(store(tmp_path, changed("train.losses.saliency", 2)))
    assert params.train.losses.saliency == 2.0


def test_parameters_cannot_be_changed_after_loading() -> None:
    params = load_params(SHIPPED)
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 1


def test_the_schema_for_editors_knows_every_section_and_every_name() -> None:
    whole = schema()
    assert whole["properties"].keys() == shipped().keys()
    assert whole["additionalProperties"] is False
    assert whole["$defs"]["Dataset"]["properties"]["format"]["enum"] == ["voc", "coco", "folder"]
    assert whole["$defs"]["CamParams"]["properties"]["method"]["enum"] == ["cam", "layercam"]
    assert "tiny" in whole["$defs"]["Network"]["properties"]["backbone"]["enum"]


def test_a_file_may_have_128_kib(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = SHIPPED.read_bytes() + b"#"
    path.write_bytes(text.ljust(2**17, b"#"))
    assert load_params(path)
    path.write_bytes(text.ljust(2**17 + 1, b"#"))
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read: larger than 128 KiB"):
        load_params(path)


def test_sections_that_merge_one_another_do_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    for count, problem in ((999, "seed: missing"), (1000, "a section of more than 1000 keys")):
        path.write_text(f"a: &a {{x: 1}}\n<<: [{', '.join(['*a'] * count)}]\n")
        with pytest.raises(ParamsError, match=problem):
            load_params(path)
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    path.write_text("\n".join(lines))
    with pytest.raises(ParamsError, match="a section of more than 1000 keys, most of them merged"):
        load_params(path)


def test_a_section_may_merge_another(tmp_path: Path) -> None:
    values = shipped()
    path = store(tmp_path, {key: value for key, value in values.items() if key != "predict"})
    with path.open("a", encoding="utf-8") as file:
        file.write(f"predict: {{<<: {json.dumps(values['predict'])}}}\n")
    assert load_params(path) == load_params(SHIPPED)
