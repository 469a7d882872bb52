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

# Every element's own output, before it is mixed: where it clicks, by the sample clock of the audio thread, which a busy
# machine may make late but not wrong.
TAP = """
window.clicks = []; window.elements = []; window.gains = [];
const createSource = AudioContext.prototype.createMediaElementSource, createGain = AudioContext.prototype.createGain;
const module = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process(inputs) {
    inputs.forEach(([samples], track) => {
      const n = samples ? samples.findIndex((x) => Math.abs(x) > 0.15) : -1;
      if (n >= 0) this.port.postMessage([track, (currentFrame + n) / sampleRate]);
    });
    return true;
  }
});`;
AudioContext.prototype.createGain = function () {
  const node = createGain.call(this);
  window.gains.push(node.gain);
  return node;
};
AudioContext.prototype.createMediaElementSource = function (element) {
  const source = createSource.call(this, element), track = window.elements.push(element) - 1;
  if (!window.tapped) return source;
  this.tap ??= this.audioWorklet.addModule("data:text/javascript," + encodeURIComponent(module))
    .then(() => {
      const tap = new AudioWorkletNode(this, "tap", { numberOfInputs: 16 });
      tap.port.onmessage = ({ data: [track, at] }) => {
        const late = this.currentTime - at;
        window.clicks.push([track, at, window.elements[0].currentTime - late]);
      };
      tap.connect(this.destination);
      return tap;
    });
  this.tap.then((tap) => source.connect(tap, 0, track));
  return source;
};
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A duo with references whose seven tracks all click at the same samples."""
    folder = tmp_path_factory.mktemp("page")
    solos = 0.02 * np.random.default_rng(0).normal(size=(2, SECONDS * RATE))
    solos[0, : 10 * RATE] = solos[1, 10 * RATE : 30 * RATE] = (
        0  # their files are not alike, nor is a second like another
    )
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


@pytest.fixture(scope="module")
def open_page(browser):
    """Open a page, ready to play, and note what goes wrong in it: errors, dialogs, what is asked of the network."""

    def open_page(path, width=1280, height=900, tapped=False, **options):
        # the page's own policy lets no other script in, not even the one that listens for clicks
        context = browser.new_context(viewport={"width": width, "height": height}, bypass_csp=tapped, **options)
        page = context.new_page()
        page.wrong = wrong = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message) or dialog.dismiss())
        page.on("request", lambda request: None if local(request.url) else wrong.append(request.url))
        page.add_init_script(f"window.tapped = {str(tapped).lower()};{TAP}")
        page.goto(path.as_uri())
        page.wait_for_selector("#play:enabled", timeout=60000)
        return page

    return open_page


@pytest.fixture
def opened(open_page):
    """`open_page`, closed in the end, when nothing went wrong."""
    pages = []

    def opened(*args, **options):
        pages.append(open_page(*args, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.context.close()
        assert page.wrong == []


@pytest.fixture(scope="module", autouse=True)
def minute(open_page, report):
    """A page that plays while the other tests run: its minute is theirs, too."""
    page = open_page(report, tapped=True)
    page.click("#play")
    yield page
    page.context.close()
    assert page.wrong == []


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


def now(page):
    return float(page.input_value("#position"))


def until(page, condition, seconds=20):
    """Wait in real time for what is so sooner or later; the page's own security policy forbids to wait inside it."""
    for _ in range(20 * seconds):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not so after {seconds} s: {page.text_content('#status')}, at {now(page)} s.")


def assert_heard(page, *labels):
    """The gains of these tracks are up, those of the others down: as soon as the sound got there."""
    get = "[...document.querySelectorAll('.track')].filter((_, k) => gains[k].value > 0.01).map((t) => t.dataset.label)"
    heard = []
    for _ in range(100):
        heard = page.evaluate(get)
        if heard == list(labels):
            return
        page.wait_for_timeout(50)
    assert heard == list(labels)


def test_a_track_that_runs_away_is_brought_back(opened, report):
    page = opened(report)
    page.click("#play")
    until(page, lambda: now(page) > 0.3)
    page.evaluate("elements[1].currentTime += 0.2; elements[2].currentTime += 2")
    spread = "(() => { const t = elements.map((e) => e.currentTime); return Math.max(...t) - Math.min(...t); })()"
    until(page, lambda: page.evaluate(spread) < TOGETHER)
    page.wait_for_timeout(500)
    assert page.evaluate(spread) < TOGETHER


def test_the_recording_is_heard_first_then_what_is_chosen(opened, report):
    page = opened(report)
    page.click("#play")
    assert_heard(page, "Recording")
    page.click("button.solo >> nth=1")
    assert_heard(page, "1 vn, separated")
    page.click("button.solo >> nth=2")
    assert_heard(page, "1 vn, separated", "1 vn, reference")
    page.keyboard.press("0")
    page.click(".mute >> nth=4")
    assert_heard(page, "Recording", "2 vc, separated")
    page.locator(".volume").nth(4).fill("0")
    assert_heard(page, "Recording")


def test_everything_is_done_by_keys_and_said(opened, report):
    page = opened(report)
    status = page.locator("[role=status]")
    page.keyboard.press("Space")
    assert page.text_content("#play") == "Pause" and status.text_content() == "Playing"
    page.keyboard.press("2")
    assert_heard(page, "2 vc, separated")
    assert status.text_content() == "Only 2 vc, separated"
    page.keyboard.press("Shift+Digit1")
    assert_heard(page, "1 vn, reference")
    page.keyboard.press("Shift+Digit1")
    assert_heard(page, "Recording")
    assert status.text_content() == "No solo"
    page.keyboard.press("9")
    assert_heard(page, "Recording")
    for key in ("ArrowDown", "ArrowUp", "ArrowUp", "ArrowUp", "m"):  # up from the reference that was heard last
        page.keyboard.press(key)
    assert_heard(page)
    assert status.text_content() == "Recording: mute on"
    page.keyboard.press("s")
    page.keyboard.press("-")
    assert_heard(page, "Recording")
    assert status.text_content() == "Recording: volume 90 %"
    page.keyboard.press("Space")
    assert page.text_content("#play") == "Play" and "Paused at 0:" in status.text_content()


def test_places_are_found_by_keys(opened, report):
    page = opened(report)
    for key, expected in {"ArrowRight": 5, "Shift+ArrowRight": 6, "ArrowLeft": 1, "End": SECONDS, "Home": 0}.items():
        page.keyboard.press(key)
        until(page, lambda place=expected: abs(now(page) - place) < 0.05)
    page.fill("#position", "5")
    page.focus("#play")
    page.keyboard.press("b")
    assert page.text_content("#status") == "Loop from 0:00.0 to 0:05.0"
    page.keyboard.press("l")
    assert page.text_content("#status") == "Loop off"


def test_keys_of_a_slider_are_its_own(opened, report):
    page = opened(report)
    page.locator(".volume").first.focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".volume").first.input_value() == "0.95"
    assert now(page) == 0
    page.focus("#play")
    page.keyboard.press("Space")  # the button's own press, once
    assert page.text_content("#play") == "Pause"
    until(page, lambda: now(page) > 0.3)
    assert page.text_content("#play") == "Pause"


def test_a_spectrogram_is_a_way_to_go_there_and_the_end_is_the_end(opened, report):
    page = opened(report)
    box = page.locator(".picture").first.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 20)
    page.mouse.down()
    assert now(page) == 0  # a finger that begins to scroll there does not mean it
    page.mouse.up()
    until(page, lambda: abs(now(page) - SECONDS / 4) < 0.3)
    page.fill("#position", str(SECONDS - 1))
    page.keyboard.press("Space")
    until(page, lambda: page.text_content("#status") == "The end")
    assert page.text_content("#play") == "Play"
    page.keyboard.press("Space")
    until(page, lambda: 0 < now(page) < SECONDS / 2)


@pytest.mark.parametrize("width", [1280, 390])
def test_what_has_the_focus_is_seen(opened, report, width):
    page = opened(report, width=width, height=740)
    look = """() => {
        const focused = document.activeElement, style = getComputedStyle(focused);
        const box = focused.getBoundingClientRect();
        const over = focused.closest(".player") ? 0 : document.querySelector(".player").getBoundingClientRect().bottom;
        return [style.outlineStyle, parseFloat(style.outlineWidth), box.top >= over && box.bottom <= innerHeight];
    }"""
    n_stops = 5 + 7 * 3 + 1  # player, tracks, table
    for key, times in {"Tab": n_stops, "Shift+Tab": n_stops - 1, "ArrowDown": 6, "ArrowUp": 6}.items():
        for _ in range(times):
            page.keyboard.press(key)
            outline, outline_width, in_sight = page.evaluate(look)
            assert outline != "none" and outline_width >= 2 and in_sight
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Solo Recording"


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """A page of names that would like to be more than names, and of one that is long."""
    path = tmp_path_factory.mktemp("page") / "nasty.html"
    solos = 0.1 * np.random.default_rng(0).normal(size=(2, RATE))
    return write_page(path, solos, parts=[NASTY, '$x &amp; "' + 100 * "n"], title=NASTY, settings={"Model": NASTY})


def test_any_name_is_harmless(opened, nasty):
    page = opened(nasty)
    assert page.text_content("h1") == NASTY
    assert page.text_content(".track.solo .part") == f"1 {NASTY}"
    page.keyboard.press("1")
    assert page.text_content("#status") == f"Only 1 {NASTY}, separated"
    assert page.locator("img").count() == page.locator(".picture").count() == 3


@pytest.mark.parametrize("kind", ["report", "nasty"])
def test_it_fits_the_screen_in_light_and_dark(request, opened, tmp_path, kind):
    page = opened(request.getfixturevalue(kind))
    for width in (1280, 390, 320):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        small = "all => all.filter(e => e.offsetHeight < 40 || e.offsetWidth < 40).length"
        assert page.locator("button").evaluate_all(small) == 0
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=tmp_path / f"{kind}_{width}_{scheme}.png", full_page=True)
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


def test_tracks_stay_together_for_a_minute_after_a_seek_and_in_a_loop(minute):
    page = minute
    until(page, lambda: now(page) > CLICKS[2] + 0.5, seconds=2 * SECONDS)
    start, middle, last = events(page)
    for event, click in zip((start, middle, last), CLICKS, strict=True):
        assert_together(event)
        assert event["told"] == pytest.approx(click, abs=0.25)  # the clock tells what is heard, but for some buffers
    assert last["at"] - start["at"] == pytest.approx(CLICKS[2] - CLICKS[0], abs=0.1)

    page.evaluate("window.clicks = []")
    page.fill("#position", "19")
    if page.text_content("#play") == "Play":  # the other tests took longer than the piece
        page.click("#play")
    until(page, lambda: 20.5 < now(page) < 30)
    (sought,) = events(page)
    assert_together(sought)
    assert sought["told"] == pytest.approx(CLICKS[1], abs=0.25)

    page.fill("#position", "19.5")
    page.keyboard.press("a")
    page.fill("#position", "20.6")
    page.keyboard.press("b")
    page.evaluate("window.clicks = []")
    until(page, lambda: len(events(page)) > 2)  # the third may be under way
    for event in events(page)[:2]:
        assert_together(event)
        assert 19 < event["told"] < 21.2
