"""The local page in a real browser: a film goes in, progress and results come out."""

import shutil

import numpy as np
import pytest
from served import PAGE, Server, film, wait

from keras_skeleton.video.reading import MOVIE_CODEC

pytestmark = pytest.mark.slow  # a browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --hide-scrollbars"
)
PLAYS = MOVIE_CODEC == "libx264"  # the films of the tests are H.264 only with such a build


class Page:
    """The page in Chromium."""

    def __init__(self, folder):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in [*ARGUMENTS.split(), f"--user-data-dir={folder}"]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))

    def open(self, address, width=1280):
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(address)
        wait(lambda: self.js("return document.body.dataset.ready"), "the page is ready")

    def js(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def texts(self, selector):
        """Texts of all elements, in one question: they may be replaced at any time."""
        code = "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText.trim())"
        return self.js(code, selector)

    def give(self, *paths):
        self.find("#file").send_keys("\n".join(map(str, paths)))

    def until(self, selector, text):
        """Waits for an element with a text."""
        return wait(lambda: any(text in t for t in self.texts(selector)), f"{selector}: {text}")

    def drop(self, name, content):
        """As if a file were dropped on the window."""
        self.js(
            "const data = new DataTransfer();"
            "data.items.add(new File([arguments[1]], arguments[0]));"
            "for (const type of ['dragenter', 'dragover', 'drop'])"
            "  document.querySelector('header').dispatchEvent("
            "    new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));",
            name, content,
        )  # fmt: skip

    def time(self):
        return self.js("return document.querySelector('video').currentTime")

    def inside(self):
        """Whether nothing is wider than the window; what scrolls by itself may be."""
        return self.js(
            "const most = document.documentElement.clientWidth;"
            "return document.documentElement.scrollWidth <= most &&"
            "  [...document.querySelectorAll('.panel, video, iframe, .bars, button')]"
            "    .every((e) => e.closest('.scroll') || e.getBoundingClientRect().right <= most)"
        )

    def errors(self):
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    if not CHROMIUM or not DRIVER:
        pytest.skip("no Chromium here (apt-get install chromium chromium-driver)")
    page = Page(tmp_path_factory.mktemp("profile"))
    yield page
    page.driver.quit()


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """`films(name)`: a file to be uploaded."""
    folder = tmp_path_factory.mktemp("films")

    def get(name):
        path = folder / name
        if not path.exists():
            if path.suffix in (".mp4", ".avi"):
                film(path, 10)
            else:
                path.write_bytes(b"points")
        return path

    return get


def test_a_film_goes_in_and_its_answer_comes_out(page, server, films):
    page.open(server.address)
    assert page.texts("#classes li") == ["walk", "waveHands", "sitDown", "none of these"]
    assert not page.texts("#jobs li")
    page.give(films("slow two.mp4"))

    # Progress, in numbers and words
    page.until("#job .text", "looking for people, frame 40")
    wait(lambda: page.js("return document.querySelector('progress').value") == 0.5, "one half")
    page.until("#jobs .state", "50 %, looking for people")
    server.label.go.set()

    # The answer, for each person
    page.until("#job .label", "waveHands")
    assert page.texts(".said .label") == ["waveHands", "sitDown"]
    assert page.texts(".said .percent") == ["93 %", "41 %"]
    assert page.texts(".said .unsure") == ["unsure: low probability"]
    assert page.texts("#jobs .state") == ["waveHands 93 %, 1 more"]
    assert page.texts(".notes li") == ["cuts at 2.0 s"]
    assert page.texts("#job .line .who") == ["Person 0", "Person 1"]
    assert page.texts(".bars .action") == ["waveHands", "walk ?", "sitDown"]
    boxes = page.js(
        "const box = (e) => { const r = e.getBoundingClientRect(); return [r.left, r.width]; };"
        "const bars = box(document.querySelector('.bars'));"
        "return [...document.querySelectorAll('.bars .action')].map(box)"
        "  .map(([left, width]) => [(left - bars[0]) / bars[1], width / bars[1]])"
    )
    np.testing.assert_allclose(boxes, [[0.1, 0.4], [0.6, 0.35], [0.3, 0.45]], atol=0.01)
    rows = page.texts("tbody tr")
    assert len(rows) == 3
    assert "0.4 s" in rows[0]
    assert "2.0 s" in rows[0]
    links = page.js(
        "return [...document.querySelectorAll('.downloads a')].map((a) => [a.download, a.href])"
    )
    assert [name for name, _ in links] == [
        "slow two_overlay.mp4", "slow two_predictions.csv", "slow two_attention.html",
    ]  # fmt: skip
    assert all(href.startswith(server.address) for _, href in links)

    # The attention page runs in its sandbox.
    frame = page.find("iframe")
    page.js("arguments[0].scrollIntoView()", frame)
    page.driver.switch_to.frame(frame)
    wait(lambda: page.texts("#said") == ["attention"], "its script runs")
    assert page.js("return window.origin") == "null"
    page.driver.switch_to.default_content()
    assert page.errors() == []
    assert PAGE  # written by the labeler


@pytest.mark.skipif(not PLAYS, reason="this build of ffmpeg has no libx264")
def test_the_timeline_seeks_and_follows_the_film(page, server, films):
    page.open(server.address)
    page.give(films("a.mp4"))
    page.until("#job .label", "waveHands")
    ready = "return document.querySelector('video').readyState"
    wait(lambda: page.js(ready) >= 2, "the film can be played")
    assert page.js("return document.querySelector('video').duration") == pytest.approx(4, abs=0.1)

    def head():
        return page.js("return parseFloat(document.querySelector('.head').style.left)")

    def lit():
        return page.js(
            "return ['.bars .action', 'tbody tr'].map((s) =>"
            "  [...document.querySelectorAll(s)].map((e) => e.classList.contains('now')))"
        )

    page.js("document.querySelectorAll('.bars .action')[1].click()")
    wait(lambda: 2.4 <= page.time() < 2.45, "a click on an action goes to its first frame")
    wait(lambda: 60 <= head() < 62, "the line is there")
    assert lit() == [[False, True]] * 2
    page.js("document.querySelectorAll('tbody button')[0].click()")
    wait(lambda: 0.4 <= page.time() < 0.45, "so does one in the table")
    assert lit() == [[True, False]] * 2

    bars = page.find(".bars")
    page.js("arguments[0].scrollIntoView({block: 'center'})", bars)
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    # To a place without an action: 55 % of the bar is 2.2 s.
    offset = round(0.05 * bars.size["width"])
    ActionChains(page.driver).move_to_element_with_offset(bars, offset, 0).click().perform()
    wait(lambda: 2.1 < page.time() < 2.3, "a click on the bar goes to its time")
    assert lit() == [[False, False]] * 2

    # By keyboard
    page.js("document.querySelector('.bars .action').focus()")
    ActionChains(page.driver).send_keys(Keys.ENTER).perform()
    wait(lambda: 0.4 <= page.time() < 0.45, "an action is a button")
    page.js("return document.querySelector('video').play()")
    wait(lambda: page.time() > 0.8, "it plays")
    wait(lambda: head() > 18, "the line follows")
    page.js("document.querySelector('video').pause()")
    assert page.errors() == []


def test_cancelling_and_deleting(page, server, films):
    page.open(server.address)
    page.give(films("slow.mp4"))
    page.until("#job .text", "frame 40")
    page.find("#job .cancel").click()
    page.until("#job [role=status]", "Cancelled")
    assert page.texts("#jobs .state") == ["cancelled"]
    assert not list(server.folder.iterdir())
    page.find("#jobs .drop").click()
    wait(lambda: not page.texts("#jobs li"), "it is deleted from the list")
    assert not server.jobs.all()
    assert page.errors() == []


def test_what_cannot_be_labeled_is_said(page, server, films):
    page.open(server.address)
    page.give(films("broken.mp4"))
    page.until("#job [role=alert]", "broken.mp4: is damaged; convert it")
    page.give(films("letter.docx"))
    page.until("#refused", ".npy")
    page.until("#job h2", "broken.mp4")
    assert page.texts("#jobs .state") == ["failed"]
    page.js("document.body.dataset.mostBytes = 3")
    page.give(films("a.mp4"))
    page.until("#refused", "larger than")
    assert len(server.jobs.all()) == 1


def test_several_files_and_earlier_results(page, server, films):
    page.open(server.address)
    page.give(films("a.mp4"), films("b.mp4"))
    wait(lambda: page.texts("#jobs .state") == ["waveHands 93 %"] * 2, "both are done")
    assert sorted(page.texts("#jobs .name")) == ["a.mp4", "b.mp4"]
    for name in ("a.mp4", "b.mp4"):
        page.js(
            "[...document.querySelectorAll('#jobs .open')]"
            "  .find((e) => e.innerText.includes(arguments[0])).click()",
            name,
        )
        page.until("#job h2", name)
    # It is still there after the page is loaded again.
    page.driver.refresh()
    page.until("#job h2", "b.mp4")
    assert len(page.texts("#jobs li")) == 2


def test_dropped_key_points(page, server):
    page.open(server.address)
    page.js("document.querySelector('details').open = true")
    page.js("document.getElementById('layout').value = 'coco17'")
    page.drop("clip.npy", "points")
    page.until("#job .label", "none of the network's actions")
    assert server.label.seen == [("clip.npy", b"poin", "coco17")]
    assert not page.texts("video")
    assert page.texts(".bars .action") == ["waveHands"]
    assert page.js("return document.body.classList.contains('dragging')") is False
    assert page.errors() == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(page, server, films, width):
    page.open(server.address, width)
    assert page.inside()
    page.give(films("slow two with a name that is much longer than a phone is wide.mp4"))
    page.until("#job .text", "frame 40")
    assert page.inside()
    server.label.go.set()
    page.until("#job .label", "sitDown")
    page.until("#job h2", "Where the network looked")
    assert page.inside()


def test_hostile_names_are_only_text(page, server):
    page.open(server.address)
    page.drop("<img src=x onerror=window.hacked=1>.mp4", "film")
    page.until("#job .label", "waveHands")
    assert page.js("return window.hacked") is None
    assert not page.js("return document.querySelectorAll('img').length")


def test_the_keyboard_reaches_everything(page, server, films):
    page.open(server.address)
    page.give(films("a.mp4"))
    page.until("#job .label", "waveHands")
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    page.js("document.activeElement.blur()")
    reached = set()
    for _ in range(40):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        reached.add(
            page.js("const e = document.activeElement; return e.id || e.className || e.tagName")
        )
    assert {"file", "open", "drop", "action", "action unsure", "button", "VIDEO"} <= reached


def test_a_stopped_server_is_said(page):
    with Server() as server:
        page.open(server.address)
    page.js("document.querySelector('#file')")
    page.drop("a.mp4", "film")
    page.until("#gone", "The server has stopped")
