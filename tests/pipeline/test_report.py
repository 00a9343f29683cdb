"""The page and the model card of a real run."""

import re
from pathlib import Path

from auxseg.data.tables import read_table
from project import Project


def ids(page: str, split: str) -> list[str]:
    return re.findall(rf'data-id="([^"]+)" data-split="{split}"', page)


def test_the_page_of_a_run_shows_all_its_images(finished: tuple[Project, str]) -> None:
    folder = finished[0].folder
    page = (folder / "metrics" / "report.html").read_text("utf-8")
    doubt = read_table(folder / "data/rounds/2/doubt/images.csv", text=["id"])
    assert sorted(ids(page, "train")) == sorted(doubt["id"])
    assert len(ids(page, "val")) == 2
    for caption in (
        "pseudo label, round 0",
        "pseudo label, round 1",
        "CAM, round 2",
        'data-kind="truth"',
    ):
        assert caption in page


def test_a_page_with_fewer_images_has_the_most_doubtful_ones(
    finished: tuple[Project, str], tmp_path: Path
) -> None:
    project = finished[0]
    out = tmp_path / "page.html"
    project.run("python", "-m", "auxseg", "report", "--images", "3", "--out", str(out))
    doubt = read_table(project.folder / "data/rounds/2/doubt/images.csv", text=["id"])
    worst = doubt.sort_values("doubt", ascending=False, kind="stable")["id"][:3]
    assert sorted(ids(out.read_text("utf-8"), "train")) == sorted(worst)


def test_the_model_card_lies_beside_the_network(finished: tuple[Project, str]) -> None:
    last = finished[0].folder / "data" / "rounds" / "2"
    assert (last / "model" / "network.safetensors").is_file()
    assert "--model data/rounds/2/model" in (last / "model_card.md").read_text("utf-8")


def test_reports_hold_no_path_of_the_machine(finished: tuple[Project, str]) -> None:
    folder = finished[0].folder
    reports = [folder / "data/rounds/2/model_card.md"]
    reports += [path for path in (folder / "metrics").rglob("*") if path.is_file()]
    assert {path.suffix for path in reports} >= {".md", ".html", ".json", ".csv", ".png"}
    for path in reports:
        assert str(folder).encode() not in path.read_bytes(), path
