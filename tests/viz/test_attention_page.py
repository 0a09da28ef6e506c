"""The page of attention: what is in it, and that a real browser plays it."""

import io
import json
import re
import shutil
import time
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from keras_skeleton.skeletons import KINECT_V1
from keras_skeleton.viz.attended_clip import AttendedClip
from keras_skeleton.viz.attention_page import attention_page, write_attention_page

T, V = 12, KINECT_V1.size
EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
REST = np.random.default_rng(0).normal(0, 0.4, (V, 3))


def seen(**changes):
    """Two people, the second from frame 4 on; the right hand goes up and gets most attention."""
    clip = np.tile(REST, (T, 2, 1, 1))
    clip[:, 0, KINECT_V1.hands[1], 1] += np.linspace(0, 1, T)
    clip[:, 1] += [1.5, 0, 0]
    clip[:4, 1] = 0
    joints = np.full((T, 2 * V), 0.01)
    joints[:, KINECT_V1.hands[1]] = np.linspace(0.02, 0.4, T)
    running = np.linspace([0.5, 0.3, 0.2], [0.1, 0.7, 0.2], T)
    running[:2] = np.nan
    values = {
        "clip": clip,
        "skeleton": KINECT_V1,
        "classes": ("walk", "wave", "sit"),
        "label": 1,
        "probabilities": running[-1],
        "name": "clip 7",
        "about": {"model": "sta_lstm", "weights": "zoo"},
        "joints": joints,
        "frames": np.linspace(1, 2, T) ** 2,
        "running": running,
        "interval": (3, 8),
        "fps": 10.0,
    }
    return AttendedClip(**{**values, **changes})


def view_of(page):
    return json.loads(re.search(r'id="view">(.*?)</script>', page, re.DOTALL)[1])


# ---------------------------------------------------------------- the clip


def test_shares_compare_a_joint_with_equal_attention():
    even = seen(joints=np.full((T, 2 * V), 0.3))
    np.testing.assert_allclose(even.shares, 1)
    assert even.top_share == 2  # nearly equal attention does not look like a choice
    joints = np.zeros((T, 2 * V))
    joints[:, 5] = 4.0
    one = seen(joints=joints)
    assert one.shares.shape == (T, 2, V)
    assert one.shares[3, 0, 5] == 2 * V
    assert one.shares.sum() == T * 2 * V
    np.testing.assert_allclose(seen(joints=joints * 0).shares, 1)
    assert seen(joints=None).shares is None


def test_one_outlier_does_not_set_the_colours():
    joints = np.full((T, 2 * V), 1.0)
    joints[:, 3] = 20
    joints[5, 3] = 1e6
    assert seen(joints=joints).top_share == pytest.approx(2 * V * 20 / (2 * V - 1 + 20))


def test_frames_compare_with_equal_attention():
    np.testing.assert_allclose(seen(frames=np.full(T, 0.3)).frame_shares, 1)
    np.testing.assert_allclose(seen(frames=np.zeros(T)).frame_shares, 1)
    each = seen(frames=np.random.default_rng(0).random((T, 3)))
    assert each.frame_shares.mean() == pytest.approx(1)
    np.testing.assert_allclose(each.frame_shares * each.frames.mean(), each.frames)
    assert seen(frames=None).frame_shares is None


def test_the_most_attended_frame():
    assert seen().peak == T - 1
    assert seen(frames=np.eye(T)[5], joints=None).peak == 5
    assert seen(frames=None).peak == T - 1  # by the most attended joint
    gone = seen().clip.copy()
    gone[-1] = 0  # nobody there
    assert seen(clip=gone).peak == T - 2
    gone[:3] = 0
    assert seen(clip=gone, joints=None, frames=None).peak == 3
    both = np.full((T, 2 * V), 0.01)
    both[2, 0] = 1
    both[7, 0] = 0.5
    assert seen(frames=np.where(np.arange(T) == 7, 9.0, 1.0), joints=both).peak == 7


def test_the_title_says_right_or_wrong():
    assert seen().title == "'wave', recognized with probability 0.70"
    assert seen(label=2).title == "'sit', predicted as 'wave' with probability 0.70"
    assert seen().caption.splitlines()[1] == "model sta_lstm; weights zoo"
    assert seen().shown_classes(2) == [1, 2]
    assert seen(label=0).shown_classes(2) == [1, 2, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip": np.ones((T, 2, V + 1, 3))}, r"expected \(T, M, 20, 3\)"),
        ({"clip": np.zeros((T, 2, V, 3))}, "clip 'clip 7' shows no body"),
        ({"joints": np.ones((T, V))}, r"joints has shape \(12, 20\), expected \(12, 40\)"),
        ({"joints": -np.ones((T, 2 * V))}, "joint attention is negative"),
        ({"frames": -np.ones(T)}, "frame attention is negative"),
        ({"frames": np.ones((T, 2))}, r"frames has shape \(12, 2\), expected \(12,\) or \(12, 3\)"),
        ({"frames": np.full(T, np.nan)}, "frames holds NaN"),
        ({"probabilities": np.ones(2)}, r"probabilities has shape \(2,\), expected \(3,\)"),
        ({"running": np.ones((T, 2))}, "running has shape"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        seen(**changes)


# ---------------------------------------------------------------- what is in the page


def test_the_page_holds_every_frame():
    own = seen()
    view = view_of(attention_page(own))
    assert len(view["points"]) == T
    first, last = view["points"][0], view["points"][-1]
    assert first[V:] == [None] * V  # nobody there yet
    x, y, z = own.clip[-1, 0, 3]
    np.testing.assert_allclose(last[3], [x, z, y], atol=1e-4)  # Plotly's third axis is up
    np.testing.assert_allclose(view["shares"], own.shares.reshape(T, -1), atol=1e-3)
    np.testing.assert_allclose(view["frames"], own.frames / own.frames.mean(), atol=1e-4)
    assert view["start"] == T - 1
    assert view["names"][KINECT_V1.hands[1]] == "right hand (1)"
    assert view["running"][0] == [None, None, None]
    assert [c["name"] for c in view["classes"]] == ["wave", "sit", "walk"]
    np.testing.assert_allclose(view["running"][5], own.running[5][[1, 2, 0]], atol=1e-4)
    assert [c["true"] for c in view["classes"]] == [True, False, False]
    low, high = np.array([view["scene"]["layout"]["scene"][f"{a}axis"]["range"] for a in "xyz"]).T
    points = np.array([p for frame in view["points"] for p in frame if p])
    assert (low <= points.min(axis=0) + 1e-6).all()
    assert (points.max(axis=0) <= high).all()
    edges = np.array(list(view["scene"]["layout"]["scene"]["aspectratio"].values()))
    np.testing.assert_allclose(edges / edges.max(), (high - low) / (high - low).max())
    shapes = view["timeline"]["layout"]["shapes"]
    assert [(s["x0"], s["x1"]) for s in shapes if s["type"] == "rect"] == [(2.5, 8.5)] * 2
    assert [s["y0"] for s in shapes if s["type"] == "line"] == [1]  # every frame alike


def test_networks_without_attention_say_so():
    page = attention_page(seen(joints=None, frames=None, running=None, fps=None, interval=None))
    view = view_of(page)
    assert view["shares"] is None
    assert view["frames"] is None
    assert view["timeline"]["data"] == []
    for text in (
        "no attention to joints", "no attention to frames", "speed 1 is 30 frames", "whole clip",
    ):  # fmt: skip
        assert text in page
    assert "shaded" not in page.lower()


def test_attention_of_each_coordinate_is_a_curve():
    frames = np.random.default_rng(0).random((T, 3))
    view = view_of(attention_page(seen(frames=frames)))
    curves = {c["name"]: c["y"] for c in view["timeline"]["data"] if c["yaxis"] == "y"}
    assert set(curves) == {"x", "y", "z", "mean"}
    mean = frames.mean(axis=1) / frames.mean()
    np.testing.assert_allclose(curves["mean"], mean, atol=1e-5)
    np.testing.assert_allclose(view["frames"], mean, atol=1e-4)


def test_bodies_are_numbered_only_if_there_are_several():
    alone = seen().clip.copy()
    alone[:, 1] = 0
    names = view_of(attention_page(seen(clip=alone)))["names"]
    assert len(names) == 2 * V
    assert not any("(" in name for name in names)


def test_nearly_equal_attention_looks_and_is_called_like_that():
    flat = attention_page(seen(frames=np.linspace(0.48, 0.5, T)))
    low, high = view_of(flat)["timeline"]["layout"]["yaxis"]["range"]
    assert (low, high) == (0, 2)
    assert "nearly alike" in flat
    assert "nearly alike" not in attention_page(seen())


def test_the_swap_test_stands_beside_the_picture():
    said = [("costs", "to joints it does", "in 9 of 10"), ("nothing", EVIL, EVIL)]
    page = attention_page(seen(swap=said))
    assert re.search('<h3 class="costs">to joints it does</h3>', page)
    assert re.search('<h3 class="nothing">&lt;/script', page)
    assert page.index('<div id="scene">') < page.index("in 9 of 10") < page.index('id="timeline"')
    unknown = attention_page(seen(swap=[("", "not measured", "")]))
    assert "<h3>not measured</h3>" in unknown
    assert "<details>" not in unknown
    assert "<h3" not in attention_page(seen())


class Tags(HTMLParser):
    """What a browser would make elements of, and fetch."""

    def __init__(self):
        super().__init__()
        self.tags, self.fetched = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.fetched += [value for name, value in attributes if name in ("src", "href", "data")]


def evil():
    return seen(
        classes=(EVIL, EVIL + "2", "<b>sit</b>"),
        name=EVIL,
        about={EVIL: EVIL, "b": EVIL},
        unit=EVIL,
        note=EVIL,
    )


def test_names_cannot_become_code():
    plain, hostile = Tags(), Tags()
    plain.feed(attention_page(seen()))
    hostile.feed(attention_page(evil()))
    assert hostile.tags == plain.tags
    assert plain.tags.count("script") == 3
    assert plain.fetched == hostile.fetched == []
    assert view_of(attention_page(evil()))["classes"][0]["name"] == EVIL + "2"


def test_the_page_is_written_whole_and_is_not_too_large(tmp_path):
    path = write_attention_page(seen(), tmp_path / "new" / "page.html")
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]
    assert path.stat().st_size < 6 << 20
    assert "default-src 'none'" in path.read_text("utf-8")


# ---------------------------------------------------------------- in a browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --hide-scrollbars "
    # WebGL without a GPU:
    "--use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader"
)


def wait(condition, what, tries=1200):
    """Until something is so; a slow machine is no failure, a page that never gets there is."""
    for _ in range(tries):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"still not so after asking {tries} times: {what}")


class Browser:
    """A page in Chromium."""

    def __init__(self, folder):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in [*ARGUMENTS.split(), f"--user-data-dir={folder}"]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))

    def open(self, path, width=960, height=640):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get_log("browser"), self.driver.get_log("performance")  # of the page before
        self.driver.get(path.as_uri())
        wait(lambda: self.js("return document.body.dataset.ready"), "the page is ready")

    def js(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def texts(self, selector):
        return [e.text for e in self.driver.find_elements("css selector", selector)]

    def frame(self):
        return int(self.js("return document.getElementById('slider').value"))

    def picture(self, selector="#scene"):
        png = self.find(selector).screenshot_as_png
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)

    def settled(self, selector="#scene"):
        """A picture once it no longer changes."""
        before = self.picture(selector)
        while True:
            time.sleep(0.2)
            after = self.picture(selector)
            if np.array_equal(before, after):
                return after
            before = after

    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def drag(self, selector, right, down=0):
        from selenium.webdriver.common.action_chains import ActionChains

        chain = ActionChains(self.driver, duration=50).move_to_element(self.find(selector))
        chain.click_and_hold().move_by_offset(right, down).release().perform()

    def camera(self):
        eye = self.js("return document.getElementById('scene').layout.scene.camera.eye")
        return np.array([eye[axis] for axis in "xyz"])

    def errors(self):
        return [e for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]

    def requests(self, path):
        """Addresses that the page has asked for."""
        messages = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        return [
            m["params"]["request"]["url"]
            for m in messages
            if m["method"] == "Network.requestWillBeSent"
            and m["params"]["documentURL"] == path.as_uri()
        ]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not CHROMIUM or not DRIVER:
        pytest.skip("no Chromium here (apt-get install chromium chromium-driver)")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.driver.quit()


@pytest.fixture
def page(browser, tmp_path):
    """A page that is open, and in the end has neither erred nor fetched anything."""
    path = write_attention_page(seen(), tmp_path / "page.html")
    browser.open(path)
    yield path
    assert browser.errors() == []
    assert {url.split(":")[0] for url in browser.requests(path)} <= {"file", "data", "blob"}


def test_a_browser_draws_plays_and_turns_it(browser, page):
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    assert browser.texts("h1") == ["wave: clip 7 recognized, 70.0 %"]
    assert browser.texts("#problem") == [""]
    # It opens where attention is greatest.
    assert browser.texts("#clock") == ["frame 11 / 11, 1.10 s, attention 1.70 \u00d7"]
    assert browser.texts(".bar .value") == ["70.0 %", "20.0 %", "10.0 %"]
    browser.press(keys.HOME)
    assert browser.texts("#clock") == ["frame 0 / 11, 0.00 s, attention 0.43 \u00d7"]
    assert browser.texts(".bar .name") == ["\u2713 wave", "sit", "walk"]
    assert browser.texts(".bar .value") == ["\u2013"] * 3  # nobody there as yet
    ground = np.array([20, 25, 38])
    start = browser.settled()
    drawn = np.abs(start - ground).max(axis=2) > 40
    assert 0.002 < drawn.mean() < 0.3  # bones and joints on a dark ground

    # By hand: the last frame, where the second person is there and the hand glows.
    browser.press(keys.END)
    assert browser.frame() == T - 1
    assert browser.texts("#clock") == ["frame 11 / 11, 1.10 s, attention 1.70 \u00d7"]
    assert browser.texts(".bar .value") == ["70.0 %", "20.0 %", "10.0 %"]
    assert browser.texts("#attended li")[0].startswith("right hand (1)")
    end = browser.settled()
    assert (np.abs(end - start).max(axis=2) > 40).mean() > 0.002

    def yellow(picture):
        red, green, blue = np.moveaxis(picture, 2, 0)
        return ((red > 180) & (green > 160) & (blue < 110)).sum()

    assert yellow(end) > yellow(start) + 30

    # It plays, stops where it is, and begins anew from the end.
    browser.find("#play").click()
    wait(lambda: 0 < browser.frame() < T - 1, "it plays from the beginning")
    browser.find("#play").click()
    stopped = browser.frame()
    time.sleep(0.5)
    assert browser.frame() == stopped
    browser.press(keys.HOME, keys.ARROW_RIGHT, keys.ARROW_RIGHT)
    assert browser.frame() == 2

    # The timeline: a click in its middle, and the line is there.
    browser.drag("#timeline", 0)
    assert browser.frame() in (5, 6)
    middle, line = browser.js(
        "const r = document.getElementById('timeline').getBoundingClientRect();"
        "const p = document.getElementById('playhead').getBoundingClientRect();"
        "return [r.left + r.width / 2, p.left]"
    )
    assert abs(middle - line) < 80  # half a frame is 50 pixels, and the margins differ
    before = browser.frame()
    browser.drag("#timeline", 250)
    assert browser.frame() > before

    # However often the speed is changed, one chain of frames plays.
    browser.js(
        "const ask = window.requestAnimationFrame; const cancel = window.cancelAnimationFrame;"
        "const waiting = new Set(); window.most = 0;"
        "window.requestAnimationFrame = (f) => {"
        "  const id = ask((now) => { waiting.delete(id); f(now); });"
        "  if (f.name === 'step') waiting.add(id);"
        "  window.most = Math.max(window.most, waiting.size); return id; };"
        "window.cancelAnimationFrame = (id) => { waiting.delete(id); cancel(id); };"
    )
    browser.find("#play").click()
    for _ in range(3):
        browser.js("document.getElementById('speed').dispatchEvent(new Event('change'))")
    wait(lambda: browser.js("return window.most") > 0, "it plays")
    browser.find("#play").click()
    assert browser.js("return window.most") == 1

    # It turns, also while it plays.
    eye = browser.camera()
    browser.drag("#scene", 150, 40)
    wait(lambda: np.abs(browser.camera() - eye).max() > 0.2, "a drag turns it")
    np.testing.assert_allclose(np.linalg.norm(browser.camera()), np.linalg.norm(eye))
    browser.find("#play").click()
    eye = browser.camera()
    browser.drag("#scene", 150)
    wait(lambda: np.abs(browser.camera() - eye).max() > 0.2, "a drag turns it while it plays")
    browser.find("#play").click()
    browser.find("[data-view=side]").click()
    wait(lambda: browser.camera()[0] > abs(browser.camera()[1]), "seen from the side")


@pytest.mark.slow
def test_a_narrow_window_holds_all_of_it(browser, tmp_path):
    path = write_attention_page(seen(), tmp_path / "page.html")
    browser.open(path, width=400, height=800)
    wide, panel = browser.js(
        "return [document.documentElement.scrollWidth,"
        " Math.max(...[...document.querySelectorAll('.panel, canvas, svg')]"
        "   .map((e) => e.getBoundingClientRect().right))]"
    )
    assert wide <= 400
    assert panel <= 400

    # Nothing is cut by the scene's edge, and the bodies fill it in one direction.
    def filled(views):
        for view in views:
            browser.find(f"[data-view={view}]").click()
            drawn = np.abs(browser.settled()[10:-10] - [20, 25, 38]).max(axis=2)
            assert (drawn[:, :2] < 12).all(), view
            assert (drawn[:, -2:] < 12).all(), view
            yield [np.ptp(np.flatnonzero((drawn > 40).any(axis=k))) for k in (0, 1)] / np.array(
                drawn.shape[::-1]
            )

    assert all(part.max() > 0.6 for part in filled(("above", "side", "front")))
    browser.open(path, width=960)
    assert all(part.max() > 0.6 for part in filled(("side", "front")))


@pytest.mark.slow
def test_on_a_phone_legend_and_plot_do_not_overlap(browser, tmp_path):
    classes = tuple(f"a class with the long name {k}" for k in range(3))
    frames = np.random.default_rng(0).random((T, 3))
    path = write_attention_page(seen(classes=classes, frames=frames), tmp_path / "page.html")
    browser.open(path, width=390, height=844)
    below, above = browser.js(
        "const box = (e) => e.getBoundingClientRect();"
        "return [Math.max(...[...document.querySelectorAll('.legend')].map((e) => box(e).bottom)),"
        " box(document.getElementById('timeline')).top]"
    )
    assert below <= above
    assert len(browser.texts(".legend span")) == 4 + 3
    assert browser.js("return document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_the_first_play_begins_at_the_first_frame(browser, tmp_path):
    path = write_attention_page(seen(fps=2.0), tmp_path / "page.html")
    browser.open(path)
    assert browser.frame() == T - 1
    browser.find("#play").click()
    wait(lambda: browser.frame() < 4, "it plays from the beginning")
    browser.find("#play").click()


def test_hostile_names_are_only_text(browser, tmp_path):
    path = write_attention_page(evil(), tmp_path / "page.html")
    browser.open(path)
    browser.press("\ue010")  # End
    assert browser.js("return window.hacked") is None
    assert EVIL in browser.texts("h1")[0]
    assert browser.texts(".bar .name")[0] == "\u2713 " + EVIL + "2"
    assert browser.errors() == []
    assert {url.split(":")[0] for url in browser.requests(path)} <= {"file", "data", "blob"}


@pytest.mark.slow
def test_without_attention_it_plays_too(browser, tmp_path):
    path = write_attention_page(
        seen(joints=None, frames=None, running=None, fps=None, interval=None),
        tmp_path / "page.html",
    )
    browser.open(path)
    assert browser.texts("#clock") == ["frame 0 / 11"]
    assert browser.texts(".bar .value") == ["70.0 %", "20.0 %", "10.0 %"]
    browser.find("#play").click()
    wait(lambda: browser.frame() > 0, "it plays")
    assert browser.errors() == []
