"""The listening page in a real browser: what is pressed, heard, seen and said."""

import shutil

import numpy as np
import pytest

from skseparate.inspection import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install skseparate[test-browser]")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

RATE, SECONDS = 16000, 65
CLICKS = (2.0, 20.0, 62.5)
NASTY = "</script><img src=x onerror=alert(1)>"
TOGETHER = 0.03  # seconds: what the page promises

# Every element's own output, before it is mixed: where it clicks, in samples of one clock.
TAP = """
window.clicks = []; window.elements = []; window.gains = []; window.loudness = 0;
const source = AudioContext.prototype.createMediaElementSource, gain = AudioContext.prototype.createGain;
AudioContext.prototype.createGain = function () {
  const node = gain.call(this);
  window.gains.push(node.gain);
  return node;
};
AudioContext.prototype.createMediaElementSource = function (element) {
  const node = source.call(this, element);
  if (!window.merger) {
    let passed = 0;
    window.merger = this.createChannelMerger(16);
    const tap = this.createScriptProcessor(1024, 16, 1);
    window.merger.connect(tap).connect(this.destination);
    tap.onaudioprocess = ({ inputBuffer }) => {
      for (let c = 0; c < window.elements.length; c++) {
        const n = inputBuffer.getChannelData(c).findIndex((x) => Math.abs(x) > 0.15);
        if (n >= 0) window.clicks.push([c, (passed + n) / this.sampleRate, window.elements[c].currentTime]);
      }
      passed += inputBuffer.length;
    };
  }
  node.connect(window.merger, 0, window.elements.push(element) - 1);
  return node;
};
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A duo with references whose seven tracks all click at the same samples."""
    folder = tmp_path_factory.mktemp("page")
    solos = 1e-3 * np.random.default_rng(0).normal(size=(2, SECONDS * RATE))
    references = solos[::-1].copy()
    for click in CLICKS:
        solos[:, round(click * RATE) :][:, :30] = 0.9
        references[:, round(click * RATE) :][:, :30] = 0.4
    return write_page(folder / "duo.html", solos, references, title="A duo")


def write_page(path, solos, references=None, parts=("vn", "vc"), **options):
    mixture = np.sign(solos[0]) * np.abs(solos).max(axis=0)
    write_report(path, mixture, solos, references, parts=parts, sample_rate=RATE, n_jobs=1, **options)
    return path


@pytest.fixture(scope="module")
def browser():
    arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Open a page, ready to play; in the end nothing went wrong in it and nothing was asked of the network."""
    contexts, wrong = [], []

    def open_page(path, width=1280, height=900, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message) or dialog.dismiss())
        page.on("request", lambda request: None if local(request.url) else wrong.append(request.url))
        page.add_init_script(TAP)
        page.goto(path.as_uri())
        page.wait_for_selector("#play:enabled", timeout=60000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def local(url):
    return url.startswith(("file:", "data:", "blob:"))


def events(page):
    """Clicks that were heard: of each, when it began in each element, and what time the first element told then."""
    groups = []
    for element, at, told in sorted(page.evaluate("window.clicks"), key=lambda click: click[1]):
        if not groups or at - groups[-1]["at"] > 0.3:
            groups.append({"at": at, "told": told, "begins": {}})
        groups[-1]["begins"].setdefault(element, at)
    return groups


def assert_together(event, n_tracks=7):
    assert len(event["begins"]) == n_tracks
    assert max(event["begins"].values()) - min(event["begins"].values()) < TOGETHER


def heard(page):
    """Labels of the tracks whose gain is up."""
    page.wait_for_timeout(300)
    gains = page.evaluate("window.gains.map((gain) => gain.value)")
    labels = page.evaluate("[...document.querySelectorAll('.track')].map((track) => track.dataset.label)")
    return [label for label, gain in zip(labels, gains, strict=True) if gain > 0.01]


def now(page):
    return float(page.input_value("#position"))


def play_until(page, seconds):
    """Wait in real time; the page's own security policy forbids to wait inside it."""
    for _ in range(round(20 * SECONDS)):
        if now(page) > seconds:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"after {2 * SECONDS} s the page is at {now(page)} s, not at {seconds} s.")


def test_tracks_stay_together_for_a_minute_after_a_seek_and_in_a_loop(opened, report):
    page = opened(report)
    page.click("#play")
    play_until(page, 63.5)
    start, middle, minute = events(page)
    for event, click in zip((start, middle, minute), CLICKS, strict=True):
        assert_together(event)
        assert event["told"] == pytest.approx(click, abs=0.25)  # the clock tells what is heard, but for some buffers
    assert minute["at"] - start["at"] == pytest.approx(CLICKS[2] - CLICKS[0], abs=0.1)

    page.evaluate("window.clicks = []")
    page.fill("#position", "19")
    play_until(page, 20.7)
    (sought,) = events(page)
    assert_together(sought)
    assert sought["told"] == pytest.approx(CLICKS[1], abs=0.25)

    page.fill("#position", "19.5")
    page.keyboard.press("a")
    page.fill("#position", "20.6")
    page.keyboard.press("b")
    page.evaluate("window.clicks = []")
    page.wait_for_timeout(5000)
    assert 19 < now(page) < 21.2
    rounds = events(page)
    assert len(rounds) >= 2
    for event in rounds:
        assert_together(event)


def test_a_track_that_runs_away_is_brought_back(opened, report):
    page = opened(report)
    page.click("#play")
    page.wait_for_timeout(500)
    page.evaluate("window.elements[1].currentTime += 0.2")
    page.evaluate("window.elements[2].currentTime += 2")
    page.wait_for_timeout(6000)
    times = page.evaluate("window.elements.map((element) => element.currentTime)")
    assert max(times) - min(times) < TOGETHER
    assert set(page.evaluate("window.elements.map((element) => element.playbackRate)")) == {1}


def test_the_recording_is_heard_first_then_what_is_chosen(opened, report):
    page = opened(report)
    page.click("#play")
    assert heard(page) == ["Recording"]
    page.click(".solo >> nth=1")
    assert heard(page) == ["1 vn, separated"]
    page.click(".solo >> nth=2")
    assert heard(page) == ["1 vn, separated", "1 vn, reference"]
    page.keyboard.press("0")
    page.click(".mute >> nth=4")
    assert heard(page) == ["Recording", "2 vc, separated"]
    page.locator(".volume").nth(4).fill("0")
    assert heard(page) == ["Recording"]


def test_everything_is_done_by_keys_and_said(opened, report):
    page = opened(report)
    status = page.locator("[role=status]")
    page.keyboard.press("Space")
    assert page.text_content("#play") == "Pause" and status.text_content() == "Playing"
    page.keyboard.press("2")
    assert heard(page) == ["2 vc, separated"] and status.text_content() == "Only 2 vc, separated"
    page.keyboard.press("Shift+Digit1")
    assert heard(page) == ["1 vn, reference"]
    page.keyboard.press("Shift+Digit1")
    assert heard(page) == ["Recording"] and status.text_content() == "No solo"
    page.keyboard.press("9")
    assert heard(page) == ["Recording"]
    page.keyboard.press("Space")
    assert page.text_content("#play") == "Play" and "Paused at 0:0" in status.text_content()
    page.keyboard.press("Home")
    for key, expected in {"ArrowRight": 5, "Shift+ArrowRight": 6, "ArrowLeft": 1, "End": SECONDS, "Home": 0}.items():
        page.keyboard.press(key)
        page.wait_for_timeout(200)
        assert now(page) == pytest.approx(expected, abs=0.05)
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("m")
    assert heard(page) == [] and status.text_content() == "Recording: mute on"
    page.keyboard.press("s")
    page.keyboard.press("-")
    assert heard(page) == ["Recording"] and status.text_content() == "Recording: volume 90 %"
    page.keyboard.press("Space")
    page.fill("#position", "5")
    page.focus("#play")
    page.keyboard.press("b")
    assert status.text_content() == "Loop from 0:00.0 to 0:05.0"
    page.keyboard.press("l")
    assert status.text_content() == "Loop off"


def test_keys_of_a_slider_are_its_own(opened, report):
    page = opened(report)
    page.locator(".volume").first.focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".volume").first.input_value() == "0.95"
    assert now(page) == 0
    page.focus("#play")
    page.keyboard.press("Space")  # the button's own press, once
    assert page.text_content("#play") == "Pause"


def test_a_spectrogram_is_a_way_to_go_there_and_the_end_is_the_end(opened, report):
    page = opened(report)
    box = page.locator(".picture").first.bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 20)
    page.wait_for_timeout(300)
    assert now(page) == pytest.approx(SECONDS / 4, abs=0.3)
    page.fill("#position", str(SECONDS - 1))
    page.keyboard.press("Space")
    page.wait_for_selector("#play:has-text('Play')", timeout=5000)
    assert page.text_content("#status") == "The end"
    page.keyboard.press("Space")
    page.wait_for_timeout(600)
    assert 0 < now(page) < 5


def test_everything_has_a_name_for_a_screen_reader(opened, report):
    page = opened(report)
    tree = page.locator("body").aria_snapshot()
    for line in (
        'heading "A duo" [level=1]',
        'button "Solo 1 vn, separated"',
        'button "Mute 2 vc, residual" [pressed]',
        'slider "Volume of Recording"',
        'slider "Position"',
        'img "Spectrogram of 2 vc, reference"',
        'rowheader "1 vn"',
        "status",
    ):
        assert line in tree, tree
    nameless = page.locator("button, input, img, meter").evaluate_all(
        "all => all.filter(e => !(e.ariaLabel || e.alt || e.textContent.trim() || e.labels?.length)).length"
    )
    assert nameless == 0


def test_any_name_is_harmless(opened, tmp_path):
    solos = 0.1 * np.random.default_rng(0).normal(size=(2, RATE))
    page = opened(write_page(tmp_path / "nasty.html", solos, parts=[NASTY, '$x &amp; "'], title=NASTY))
    assert page.text_content("h1") == NASTY
    assert page.text_content(".track.solo .part") == f"1 {NASTY}"
    page.keyboard.press("1")
    assert page.text_content("#status") == f"Only 1 {NASTY}, separated"
    assert page.locator("img").count() == page.locator(".picture").count() == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_fits_the_screen_in_light_and_dark(opened, report, tmp_path, width, scheme):
    page = opened(report, width=width, height=740, color_scheme=scheme)
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    low = page.locator("button").evaluate_all(
        "all => all.filter(e => e.offsetHeight < 40 || e.offsetWidth < 40).length"
    )
    assert low == 0
    paper, ink = (
        sum(map(int, page.evaluate(f"getComputedStyle(document.body).{of}").strip("rgb()").split(",")))
        for of in ("backgroundColor", "color")
    )
    assert (paper > ink) == (scheme == "light")


def test_it_prints_without_what_only_a_screen_can_do(opened, report):
    page = opened(report)
    page.emulate_media(media="print")
    assert not page.is_visible("#play") and not page.is_visible(".volume >> nth=0")
    assert page.is_visible("img >> nth=0") and page.is_visible("table") and page.is_visible("dl >> nth=0")
