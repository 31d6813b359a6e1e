"""The page in a real browser: headless Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

from tests.folders import files_below

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

PATIENCE = 600.0
"""Seconds that a step may take on a busy machine."""


@pytest.fixture(scope="module")
def chromium(page, files):
    """One browser for all tests, whose camera is a file."""
    with playwright.sync_playwright() as engine:
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]
        options += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        options += [f"--use-file-for-fake-video-capture={files / 'camera.y4m'}"]
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, page):
    """Opens the page as a new visitor."""
    contexts = []

    def opened(width=1280, motion="reduce"):  # so that the sample's film does not play in every tab
        view = {"width": width, "height": 900}
        context = chromium.new_context(viewport=view, permissions=["camera"], reduced_motion=motion)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE * 1000)
        tab.goto(page.local_url)
        tab.wait_for_selector("#reenact-start", state="attached")
        return tab

    yield opened
    for context in contexts:
        context.close()


def until(condition, what):
    """Wait for something that is not in the page."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return value


def upload(tab, selector, path):
    """Give a file to a component."""
    tab.locator(f"{selector} input[type=file]").first.set_input_files(str(path))


def choose_portrait(tab, files, name="portrait.png"):
    """Upload a portrait, wait for the check."""
    upload(tab, "#portrait", files / name)
    tab.wait_for_selector("#check .card")


def open_tab(tab, name, consent=True):
    """Click on a tab, tick the consent beside its start button, and choose the small size."""
    tab.get_by_role("tab", name=name).click()
    if consent:
        tab.locator(f"#{name.lower().replace(' ', '_')}-consent input").check()
    tab.get_by_label("256").locator("visible=true").first.check()


def finished(tab, name):
    """The text under a tab when its job is done; fails with the page's own words when it ends with an error."""
    state = f"#{name}-state"
    try:
        tab.wait_for_selector(f"{state} .done, {state} .error")
    except playwright.TimeoutError:
        pytest.fail(f"{name} has not ended after {PATIENCE:.0f} s; the page says: {tab.inner_text(state)!r}")
    assert tab.locator(f"{state} .error").count() == 0, tab.inner_text(state)
    return tab.inner_text(state)


def plays(tab, selector):
    """Whether a video has moved on, without an error."""
    script = """(selector) => {
        const video = document.querySelector(selector + ' video');
        return video && !video.error && video.currentTime > 0.05 ? video.currentTime : 0;
    }"""
    return until(lambda: tab.evaluate(script, selector), f"{selector} does not play")


def frames_are_made(tab):
    """Wait for ten of them. The live player may still buffer on a slow machine, so that only the state tells."""
    done = "/: ([0-9]+) of [0-9]+ frames/.exec(document.querySelector('#reenact-state').innerText)?.[1]"
    tab.wait_for_function(f"() => Number({done}) > 9")


def press_with_keys(tab, words):
    """Press Tab until a button of these words has the focus, then Enter."""
    for _ in range(80):
        tab.keyboard.press("Tab")
        if words in tab.evaluate("document.activeElement.innerText"):
            tab.keyboard.press("Enter")
            return
    pytest.fail(f"no button {words!r} is reached by the Tab key")


def test_reenact_from_upload_to_playing_video(visit, files):
    tab = visit()
    choose_portrait(tab, files)
    assert "one found" in tab.inner_text("#check")
    tab.wait_for_selector("#preview img")
    open_tab(tab, "Reenact")
    upload(tab, "#reenact-driving", files / "driving.mp4")
    tab.wait_for_selector("#reenact-driving video")
    tab.click("#reenact-start")
    assert "30 frames of 256×256" in finished(tab, "reenact")
    plays(tab, "#reenact-video")
    assert "Steadiness" in tab.inner_text("#reenact-report")


def test_from_opening_the_page_to_a_playing_video_with_one_click(visit):
    tab = visit()
    tab.get_by_role("button", name="Kofi looks around").click()
    finished(tab, "reenact")
    until(lambda: tab.locator("#reenact-live video, #reenact-video video").count(), "a player is there")
    plays(tab, "#reenact-live" if tab.locator("#reenact-live video").count() else "#reenact-video")


def test_the_same_with_the_keyboard_alone_and_stopped_by_it_which_keeps_what_is_done(visit):
    tab = visit()
    press_with_keys(tab, "Kofi looks around")
    frames_are_made(tab)
    press_with_keys(tab, "Stop")
    assert "Stopped: what was rendered is kept." in finished(tab, "reenact")
    plays(tab, "#reenact-video")


def test_on_a_phone_all_tabs_are_there_and_questions_are_answered_by_keys(visit):
    tab = visit(390)
    tabs = [tab.get_by_role("tab", name=name, exact=True) for name in ("Reenact", "Dub", "Live", "Learn", "Why?")]
    until(lambda: all(entry.is_visible() for entry in tabs), "no tab hides behind a menu")
    question = tab.get_by_role("button", name="Explain: Which photo")
    answer = tab.get_by_role("note", name="Which photo")
    question.focus()
    tab.keyboard.press("Enter")
    answer.wait_for()
    tab.keyboard.press("Escape")
    answer.wait_for(state="hidden")
    assert question.evaluate("button => button === document.activeElement")
    frame = tab.evaluate("getComputedStyle(document.querySelector('.gradio-container')).overflowY")
    assert frame != "hidden", "the still of the tab Edit stays in sight while the sliders move"


def test_an_example_is_there_for_the_second_visitor(visit):
    for _ in range(2):
        tab = visit()
        tab.locator(".pictures button").first.click()
        tab.wait_for_selector("#check .card")
        tab.wait_for_selector("#preview img")
        tab.close()


def test_talk_from_upload_to_playing_video(visit, files):
    tab = visit()
    choose_portrait(tab, files)
    open_tab(tab, "Talk")
    upload(tab, "#talk-speech", files / "speech.wav")
    tab.wait_for_selector("#talk-speech button[aria-label*='lay'], #talk-speech .waveform-container")
    tab.click("#talk-start")
    finished(tab, "talk")
    plays(tab, "#talk-video")


def test_free_view_shows_a_flight_and_the_head(visit, files):
    tab = visit()
    choose_portrait(tab, files)
    open_tab(tab, "Free view")
    tab.get_by_role("button", name="Let it move meanwhile").click()
    upload(tab, "#free_view-motion", files / "medium.npz")
    tab.wait_for_selector("#free_view-motion .file-preview, #free_view-motion table")
    tab.click("#free_view-start")
    finished(tab, "free_view")
    plays(tab, "#free_view-video")
    tab.wait_for_selector("#free_view-model canvas")


def test_edit_follows_the_sliders_and_why_explains(visit, files):
    tab = visit()
    choose_portrait(tab, files)
    tab.get_by_role("tab", name="Edit").click()
    tab.get_by_role("button", name="Smile", exact=True).click()
    first = tab.wait_for_selector("#edit-still img").get_attribute("src")
    number = tab.locator("#edit-yaw input[type=number]")
    number.fill("20")
    number.press("Enter")
    until(lambda: tab.locator("#edit-still img").get_attribute("src") != first, "the still does not follow")
    tab.get_by_role("tab", name="Why?").click()
    tab.click("#why-start")
    tab.wait_for_selector("#why-state .legend")
    assert "Gaussians in all" in tab.inner_text("#why-state")
    until(lambda: tab.locator("#why-pictures img").count() == 4, "four pictures explain the portrait")


def test_the_camera_moves_the_avatar_and_the_second_visitor_waits(visit, files):
    first, second = visit(motion="no-preference"), visit()
    plays(first, ".hero")
    for tab in (first, second):
        choose_portrait(tab, files)
        tab.get_by_role("tab", name="Live").click()
    first.click("#live-start")
    assert "consent is not ticked" in first.wait_for_selector("#live-state .error").inner_text()
    say = ".live-words:text-matches('{}')"
    for tab, words in ((first, "frames a second"), (second, "Your turn comes in")):
        tab.locator("#live-consent input").check()
        tab.click("#live-start")
        tab.wait_for_selector(say.format(words))
    assert first.evaluate("document.querySelector('.hero video').paused"), "nothing else takes the machine's time"
    picture = "document.querySelector('.live-avatar').toDataURL()"
    before = first.evaluate(picture)
    until(lambda: first.evaluate(picture) != before, "the avatar moves")
    first.get_by_role("tab", name="Edit").click()
    second.wait_for_selector(say.format("frames a second"))
    second.click("#live-record")
    second.wait_for_selector("#live-film video")
    second.locator("#live-consent input").uncheck()
    second.wait_for_selector(say.format("has been stopped"))
    until(lambda: not any("newest" in thread.name for thread in threading.enumerate()), "nobody is live any more")


def test_bad_files_get_a_message_and_the_page_goes_on(visit, files):
    tab = visit()
    upload(tab, "#portrait", files / "text.png")
    assert "is no picture" in tab.wait_for_selector("#check .error").inner_text()
    tab.reload()
    tab.wait_for_selector("#reenact-start")
    choose_portrait(tab, files)
    open_tab(tab, "Reenact", consent=False)
    upload(tab, "#reenact-motion", files / "short.npz")
    tab.wait_for_selector("#reenact-motion .file-preview, #reenact-motion table")
    tab.click("#reenact-start")
    assert "consent is not ticked" in tab.wait_for_selector("#reenact-state .error").inner_text()
    tab.locator("#reenact-consent input").check()
    tab.click("#reenact-start")
    tab.wait_for_selector("#reenact-state .done")


def test_of_several_faces_one_is_clicked(visit, files):
    tab = visit()
    choose_portrait(tab, files, "two.png")
    assert "2 found" in tab.inner_text("#check")
    picture = tab.locator("#faces img")
    until(lambda: picture.evaluate("image => image.complete && image.naturalWidth"), "the picture is there")

    def choose():
        box = picture.bounding_box()  # on a busy machine the page may still be moving
        picture.click(position={"x": box["width"] * 0.75, "y": box["height"] * 0.4})
        tab.wait_for_timeout(2000)
        return tab.locator("#face input[type=radio]").nth(1).is_checked()

    until(choose, "the face is chosen")
    until(lambda: "one of 2" in tab.inner_text("#check"), "the check is of one face")
    tab.wait_for_selector("#preview img")


def test_two_visitors_see_only_their_own_and_a_reload_cleans_up(visit, files, cache):
    # What visitors of other tests left, who have not gone yet. Equal videos share one file, so these two are of a
    # length that no other test makes.
    others = files_below(cache)
    first, second = visit(), visit()
    for tab in (first, second):
        choose_portrait(tab, files)
        open_tab(tab, "Reenact")
    for tab, name in ((first, "first.npz"), (second, "second.npz")):
        upload(tab, "#reenact-motion", files / name)
        tab.wait_for_selector("#reenact-motion .file-preview, #reenact-motion table")
        tab.click("#reenact-start")
    assert "5 frames" in finished(first, "reenact")
    assert "6 frames" in finished(second, "reenact")
    sources = [tab.locator("#reenact-video video").get_attribute("src") for tab in (first, second)]
    assert sources[0] != sources[1]
    for tab in (first, second):
        tab.get_by_role("button", name="This session's videos").click()
        until(lambda tab=tab: tab.locator("#results button.thumbnail-item").count() == 1, "one result each")
    before = {path for path in files_below(cache) - others if path.name == "mggtalk_reenact.mp4"}
    assert len(before) >= 2
    first.reload()
    second.goto("about:blank")
    until(lambda: not any(path.exists() for path in before), "the videos are deleted")
    portraits = lambda: [path for path in files_below(cache) - others if path.name == "portrait.png"]  # noqa: E731
    until(lambda: not portraits(), "and so are the uploads")
