"""In a real browser the page opens from a file, and its controls do what they say."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from auxseg.report.page.content import Layer
from auxseg.report.page.page import write_page
from page_samples import content, labels, picture, tables

WIDE, PHONE = (1280, 900), (375, 812)
Browser = webdriver.Chrome


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((path for name in names if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("Chromium and chromedriver are not installed")
    options = ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, ChromeService(driver)) as started:
        yield started


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    correction = Layer("correction", None, labels())
    pictures = [
        picture("sure", doubt=0.1, coverage=0.9, change=0.4),
        picture("doubtful", doubt=0.9, coverage=0.8, change=0.2, labels=("cat", "dog")),
        picture("between", doubt=0.5, coverage=0.1, change=0.3, labels=("dog",)),
        picture("corrected", doubt=0.3, layers=(*picture().layers, correction), corrected=True),
        picture("unseen", split="val", doubt=None, parts={}, coverage=None, change=None),
    ]
    write_page(path, content(pictures, **tables()))
    return path


@pytest.fixture
def page(started: Browser, path: Path) -> Iterator[Browser]:
    """The page, freshly opened; at the end, the browser must not have complained."""
    show(started, path)
    yield started
    assert started.get_log("browser") == []


def show(browser: Browser, path: Path, size: tuple[int, int] = WIDE, scheme: str = "light") -> None:
    scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme_feature]})
    screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(path.as_uri())


def find(browser: Browser, selector: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, selector)


def press(browser: Browser, *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def choose(browser: Browser, name: str, value: str) -> None:
    find(browser, f"[name={name}][value='{value}']").click()


def order(browser: Browser) -> list[str]:
    script = "return [...document.querySelectorAll('.card')].filter((card) => !card.hidden)"
    return browser.execute_script(f"{script}.map((card) => card.dataset.id)")


def maps(browser: Browser, id_: str = "sure") -> list[str]:
    """What lies over a photograph."""
    script = """
        const layers = document.querySelectorAll(`[data-id=${arguments[0]}] .layer`);
        const shown = [...layers].filter((layer) => getComputedStyle(layer).display === "block");
        return shown.map((layer) => layer.querySelector("img").alt.split(":")[0]);
    """
    return browser.execute_script(script, id_)


def rounds(browser: Browser) -> list[str]:
    script = "return [...document.querySelectorAll('[name=round]')].map((radio) => radio.value)"
    return browser.execute_script(script)


def test_the_page_opens_with_the_last_pseudo_labels_and_the_most_doubtful_image(
    page: Browser,
) -> None:
    assert page.title == "Pets"
    assert maps(page) == ["pseudo label, round 2"]
    assert order(page) == ["doubtful", "between", "corrected", "sure", "unseen"]
    assert find(page, "#count").text == "5 of 5 images"
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    photo = find(page, "[data-id=doubtful] .photo")
    ActionChains(page).scroll_to_element(photo).perform()
    width = "return arguments[0].naturalWidth"
    WebDriverWait(page, 20).until(lambda _: page.execute_script(width, photo) == 32)


def test_the_kind_of_map_and_the_round_are_chosen_by_mouse_or_arrows(page: Browser) -> None:
    press(page, Keys.ARROW_LEFT)
    assert maps(page) == ["pseudo label, round 1"]
    press(page, Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    assert maps(page) == ["pseudo label, round 1"]
    choose(page, "round", "0")
    assert maps(page) == ["pseudo label, round 0"]
    choose(page, "kind", "CAM")
    assert rounds(page) == ["0", "2"]
    choose(page, "round", "2")
    assert maps(page) == ["CAM, round 2"]
    press(page, Keys.ARROW_LEFT)  # on the focused button of round 2
    assert maps(page) == ["CAM, round 0"]
    choose(page, "kind", "truth")
    assert maps(page) == ["truth"]
    assert rounds(page) == []
    choose(page, "kind", "correction")
    assert (maps(page), maps(page, "corrected")) == ([], ["correction"])
    choose(page, "kind", "")
    assert maps(page) == []


def test_the_opacity_fades_the_map(page: Browser) -> None:
    image = find(page, ".layer.shown img")
    assert image.value_of_css_property("opacity") == "0.6"
    find(page, "#opacity").send_keys(Keys.HOME)
    assert image.value_of_css_property("opacity") == "0"
    assert find(page, "#shown-opacity").text == "0%"


def test_filters_and_search_leave_what_fits_and_say_how_many(page: Browser) -> None:
    Select(find(page, "#class")).select_by_visible_text("dog")
    assert order(page) == ["doubtful", "between"]
    find(page, "#search").send_keys("DOUBT")
    assert order(page) == ["doubtful"]
    assert find(page, "#count").text == "1 of 5 images"
    find(page, "#search").send_keys("x")
    assert find(page, "#count").text == "0 of 5 images"
    find(page, "#search").send_keys(Keys.BACKSPACE * 6)
    Select(find(page, "#class")).select_by_visible_text("all")
    Select(find(page, "#split")).select_by_value("val")
    assert order(page) == ["unseen"]
    Select(find(page, "#split")).select_by_value("train")
    find(page, "#corrected").click()
    assert order(page) == ["corrected"]


def test_the_order_is_by_labelled_share_change_or_id(page: Browser) -> None:
    for value, expected in (
        ("coverage", ["between", "corrected", "doubtful", "sure", "unseen"]),
        ("change", ["sure", "between", "doubtful", "corrected", "unseen"]),
        ("id", ["between", "corrected", "doubtful", "sure", "unseen"]),
    ):
        Select(find(page, "#order")).select_by_value(value)
        assert order(page) == expected


def test_a_card_is_enlarged_with_all_maps_and_escape_closes(page: Browser) -> None:
    dialog = find(page, "dialog")
    ActionChains(page).click(find(page, "[data-id=between] .photo")).perform()
    assert dialog.is_displayed()
    assert find(page, "#dialog-title").text == "between"
    captions = [figure.text for figure in page.find_elements(By.CSS_SELECTOR, ".tile figcaption")]
    assert captions == [
        *("photograph", "saliency, round 0", "prediction, round 2", "truth"),
        *(f"pseudo label, round {number}" for number in range(3)),
        *("CAM, round 0", "CAM, round 2"),
    ]
    assert "entropy 0.250" in find(page, "#dialog-facts").text.replace("\n", " ")
    press(page, Keys.ARROW_RIGHT)
    assert find(page, "#dialog-title").text == "corrected"
    press(page, Keys.ESCAPE)
    assert not dialog.is_displayed()
    focused = page.switch_to.active_element
    assert focused.text == "corrected"
    focused.send_keys(Keys.ENTER)
    assert dialog.is_displayed()
    find(page, "#close").click()
    assert not dialog.is_displayed()


def test_the_keyboard_reaches_all_controls_and_shows_where_it_is(page: Browser) -> None:
    names = []
    for _ in range(18):
        press(page, Keys.TAB)
        focused = page.switch_to.active_element
        script = """
            const focused = document.activeElement;
            const shown = [focused, focused.nextElementSibling, focused.closest(".card")];
            return shown.some((e) => e && getComputedStyle(e).outlineStyle !== "none");
        """
        assert page.execute_script(script), names
        names.append(focused.get_attribute("name") or focused.get_attribute("id") or focused.text)
    controls = ["kind", "round", "opacity", "class", "split", "order", "search", "corrected"]
    assert names[-9:] == [*controls, "doubtful"]
    unlabelled = (
        "return [...document.querySelectorAll('input, select')].filter(e => !e.labels.length)"
    )
    assert page.execute_script(unlabelled) == []


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_nothing_sticks_out_at_the_side(page: Browser, path: Path, size: tuple[int, int]) -> None:
    show(page, path, size)
    assert page.execute_script("return document.documentElement.scrollWidth") <= size[0]
    find(page, "h3 button").send_keys(Keys.ENTER)
    width = "return document.querySelector('dialog').scrollWidth"
    assert page.execute_script(width) <= size[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable(page: Browser, path: Path, scheme: str) -> None:
    show(page, path, scheme=scheme)
    page_colour = luminance(find(page, "body").value_of_css_property("background-color"))
    assert (page_colour < 0.1) == (scheme == "dark")
    for selector, background in (
        ("h1", "body"),
        ("nav a", "body"),
        (".warnings li", ".warnings"),
        (".warnings h2", ".warnings"),
        ("section td", "section:not(.warnings)"),
        ("section dt", "section:not(.warnings)"),
        ("svg text", "section:not(.warnings)"),
        ("[name=kind]:checked + span", "[name=kind]:checked + span"),
        (".matrix td", ".matrix td"),
    ):
        colour = "fill" if selector.startswith("svg") else "color"
        text = luminance(find(page, selector).value_of_css_property(colour))
        ground = luminance(find(page, background).value_of_css_property("background-color"))
        high, low = max(text, ground), min(text, ground)
        assert (high + 0.05) / (low + 0.05) >= 4.5, selector


def test_a_run_without_doubt_rounds_or_truth_offers_none_of_them(
    page: Browser, tmp_path: Path
) -> None:
    bare = picture(
        layers=(Layer("prediction", None, labels()),), doubt=None, coverage=None, change=None
    )
    write_page(tmp_path / "page.html", content([bare]))
    show(page, tmp_path / "page.html")
    kinds = page.find_elements(By.CSS_SELECTOR, "[name=kind]")
    assert [kind.get_attribute("value") for kind in kinds] == ["", "prediction"]
    assert maps(page, "a") == ["prediction"]
    assert [option.text for option in Select(find(page, "#order")).options] == ["by id"]
    for selector in ("#rounds", "#split", "#corrected"):
        assert not find(page, selector).is_displayed()


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2, of ``rgb(…)`` from 0 to 255 or ``color(srgb …)`` to 1."""
    values = np.array([float(number) for number in re.findall(r"[\d.]+", colour)[:3]])
    values = values if colour.startswith("color(") else values / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
