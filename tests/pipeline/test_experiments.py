import json
from typing import Any

from project import Project, stages_run

MADE = ("dvc.lock", "sources/dvc.lock", "metrics", "data/segmentation")


def experiments(project: Project) -> dict[str, dict[str, Any]]:
    """Parameters and metrics of every experiment since HEAD, by name."""
    _, head = json.loads(project.run("dvc", "exp", "show", "--json"))
    return {
        (revision := experiment["revs"][-1])["name"]: revision["data"]
        for experiment in head["experiments"] or []
    }


def val_miou(data: dict[str, Any]) -> float:
    (metrics,) = data["metrics"].values()
    value: float = metrics["data"]["val"]["miou"]
    return value


def test_an_experiment_adds_a_round_and_nothing_else_and_can_be_left_and_taken_up_again(
    project: Project,
) -> None:
    before = project.files(*MADE)
    output = project.run("dvc", "exp", "run", "--name", "three", "--set-param", "train.stages=3")
    names = ("doubt", "predict", "pseudo_labels", "refine", "score", "train", "update_saliency")
    round_3 = [f"{name}@3" for name in names]
    assert stages_run(output) == sorted(["params", *round_3, "crf", "evaluate"])
    rounds = (project.folder / "metrics" / "rounds.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in rounds] == ["round", "0", "1", "2", "3"]
    data = experiments(project)["three"]
    assert data["params"]["params.yaml"]["data"]["train"]["stages"] == 3
    compared = json.loads(project.run("dvc", "metrics", "diff", "--all", "--json", "HEAD"))
    assert compared["metrics/evaluation.json"]["val.miou"]["new"] == val_miou(data)

    project.run("git", "checkout", "--quiet", ".")
    assert project.repro() == []
    assert project.run("git", "status", "--porcelain") == ""

    # DVC 3.67 takes the rounds that were never asked for as missing; all others are there.
    project.call("dvc", "exp", "apply", "three")
    assert project.repro() == []
    assert (project.folder / "data" / "rounds" / "3" / "model").is_dir()

    # By hand: DVC goes on listing round 3 in rounds/dvc.lock beside what it listed before.
    project.set_params({"train.stages": 2})
    assert project.repro() == []
    assert project.files(*MADE) == before
