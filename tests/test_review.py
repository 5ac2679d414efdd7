"""The page of `rapidmask review`: what it shows and decides in a browser, and what `convert` makes of the decisions."""

import base64
import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time

import numpy as np
import pytest
from PIL import Image

from rapidmask import cli, io
from rapidmask._review import REVIEW

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
HOSTILE = "<img src=x onerror=alert(1)>.png"


class Browser:
    """Chromium without a window, asked over a pair of pipes by its DevTools protocol."""

    def __init__(self, folder):
        to_read, self.write = os.pipe()
        self.read, to_write = os.pipe()
        # It reads descriptor 3 and writes 4.
        command = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
        options = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=1300,800",
            "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", f"--user-data-dir={folder}",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            ["bash", "-c", command, BROWSER, *options], pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self.number, self.buffer, self.events, self.session = 0, b"", [], None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def message(self):
        while b"\0" not in self.buffer:
            if not select.select([self.read], [], [], 60)[0]:
                self.process.kill()
                raise TimeoutError("the browser does not answer")
            found = os.read(self.read, 1 << 20)
            if not found:
                raise EOFError("the browser ended")
            self.buffer += found
        one, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(one)

    def ask(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(answer["error"]["message"])
                return answer["result"]
            self.events.append(answer)

    def js(self, expression):
        """The value of an expression on the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def open(self, path):
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        end = time.monotonic() + 30
        while self.js("document.documentElement?.dataset.ready") != "true":
            assert time.monotonic() < end, self.events
            time.sleep(0.05)
        self.js("new Promise((done) => image.complete ? done() : (image.onload = image.onerror = done)).then(() => 1)")

    def press(self, *keys):
        """Type keys, each by its name."""
        for key in keys:
            text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
            self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
            self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        os.close(self.read)
        os.close(self.write)


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    folder = tempfile.mkdtemp()
    try:
        opened = Browser(folder)
    except (EOFError, OSError) as error:
        pytest.skip(f"Chromium does not start: {error}")
    yield opened
    opened.close()
    shutil.rmtree(folder, ignore_errors=True)


def scene():
    """Labels with a hole, a touching pair, a line of one pixel, and a mask in the corner."""
    labels = np.zeros((60, 90), np.int32)
    labels[5:25, 5:35] = 1
    labels[10:15, 10:15] = 0
    labels[5:25, 35:50] = 2
    labels[40, 3:80] = 3
    labels[55:, 85:] = 4
    return labels


def annotate(folder, name, labels, *, category="cat", scores=None):
    """Write a picture and its COCO JSON; return the JSON's path."""
    Image.fromarray((labels % 4 * 80).astype(np.uint8)).save(folder / name, format="PNG")
    annotations = io.coco_annotations(labels)
    for annotation, score in zip(annotations, scores or [], strict=False):
        annotation["score"] = score
    image = {"id": 1, "file_name": name, "height": labels.shape[0], "width": labels.shape[1]}
    path = folder / (name.rpartition(".")[0].replace("/", "_") + ".json")
    io.write_coco(path, [image], annotations, [{"id": 1, "name": category}])
    return path


def decisions_of(browser, path):
    """Write down what the page would download."""
    path.write_text(browser.js("JSON.stringify(decisions())"))
    return json.loads(path.read_text())


def left_after(folder, decisions, *options):
    """What `convert` leaves of the masks: by picture, their labels and ids."""
    out = folder / "after.json"
    arguments = ["convert", str(folder), "--decisions", str(decisions), "--to", "coco", "--out", str(out), *options]
    assert cli.main([*arguments, "--quiet"]) == 0
    content = json.loads(out.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    out.unlink()
    return [(names[one["category_id"]], one["area"]) for one in content["annotations"]]


def page(folder, *options):
    assert cli.main(["review", str(folder), "--quiet", *options]) == 0
    return folder / "review.html"


# Without a browser


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path):
    annotate(tmp_path, "a.png", scene())
    text = page(tmp_path).read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]+\.|@import|<link|fetch\(|XMLHttp|WebSocket|eval\(|innerHTML", text)
    assert "default-src 'none'" in text
    assert "{{" not in text
    assert len(text) < 60_000


def test_names_and_labels_cannot_become_markup(tmp_path):
    annotate(tmp_path, HOSTILE, scene(), category="</script><script>alert(2)</script>")
    text = page(tmp_path).read_text(encoding="utf-8")
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    assert "<img src=x" not in text
    assert "%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E.png" in text


def test_pictures_are_referred_to_or_embedded(tmp_path):
    (tmp_path / "far/photos").mkdir(parents=True)
    (tmp_path / "masks").mkdir()
    labels = scene()
    Image.fromarray((labels * 60).astype(np.uint8)).save(tmp_path / "far/photos/a b#?.png")
    assert cli.main(["segment", str(tmp_path / "far/photos"), "--out", str(tmp_path / "masks"), "--quiet"]) == 0
    assert '"src": "./../far/photos/a%20b%23%3F.png"' in page(tmp_path / "masks").read_text()
    text = page(tmp_path / "masks", "--embed").read_text()
    data = re.search(r'"src": "data:image/jpeg;base64,([^"]*)"', text).group(1)
    assert base64.b64decode(data)[:3] == b"\xff\xd8\xff"


def test_decisions_about_other_masks(tmp_path, capsys):
    annotate(tmp_path, "a.png", scene())
    decision = {"file": "a.json", "name": "a.png", "id": 77, "decision": "reject"}
    (tmp_path / "d").mkdir()
    path = tmp_path / "d/decisions.json"
    for content, text in [
        ({"kind": REVIEW, "decisions": [decision]}, "a decision is about mask 77 of a.png in a.json, which is not"),
        ({"kind": REVIEW, "decisions": [{**decision, "decision": "burn"}]}, "must accept or reject, got 'burn'"),
        ({"kind": REVIEW, "decisions": [{"file": "a.json"}]}, "decisions[0] must have file, name, id, decision"),
        ([], "is no file of decisions"),
    ]:
        path.write_text(json.dumps(content))
        assert cli.main(["convert", str(tmp_path), "--decisions", str(path), "--to", "coco"]) == 1
        errors = capsys.readouterr().err
        assert text in errors
        assert errors.count("\n") == 1


def test_nothing_to_review(tmp_path, capsys):
    assert cli.main(["review", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"rapidmask: {tmp_path}: no files of masks in this folder\n"
    assert list(tmp_path.iterdir()) == []


# In a browser


def test_accept_reject_and_rename(tmp_path, browser):
    annotate(tmp_path, "a.png", scene(), scores=[0.9, 0.8, 0.7, 0.6])
    annotate(tmp_path, "b.png", scene()[:, ::-1])
    browser.open(page(tmp_path))
    assert browser.js("image.naturalWidth") == 90
    assert [
        event for event in browser.events if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")
    ] == []
    assert browser.js("document.title") == f"Review of {tmp_path.name}"
    assert browser.js("current().masks.map((mask) => mask.id)") == [1, 2, 3, 4]
    browser.press("r", "a")  # 1 and 2
    browser.press("l")
    browser.js("byId('label').value = ''")
    for letter in "dog":
        browser.ask("Input.insertText", text=letter)
    browser.press("Enter")  # 3
    assert browser.js("byId('progress').textContent") == "3 of 8 masks decided, 1 rejected"
    assert browser.js("labelOf(2)") == "dog"
    assert browser.js("chosen") == 3
    browser.press("r", "u")  # 4, and back
    browser.press("n")
    assert browser.js("shown") == 1
    decided = decisions_of(browser, tmp_path / "decisions.json")
    assert [(one["file"], one["id"], one["decision"], one.get("label")) for one in decided["decisions"]] == [
        ("a.json", 1, "reject", None), ("a.json", 2, "accept", None), ("a.json", 3, "accept", "dog"),
    ]  # fmt: skip
    assert left_after(tmp_path, tmp_path / "decisions.json") == [
        ("cat", 300), ("dog", 77), ("cat", 25), *(("cat", area) for area in (575, 300, 77, 25)),
    ]  # fmt: skip
    assert left_after(tmp_path, tmp_path / "decisions.json", "--accepted-only") == [("cat", 300), ("dog", 77)]
    browser.open(page(tmp_path))  # what was decided is remembered
    assert browser.js("Object.keys(decided).length") == 3


def test_pixels_of_masks_are_those_of_the_run_lengths(tmp_path, browser):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 30, (37, 53)).astype(np.int32)
    annotate(tmp_path, "a.png", labels)
    browser.open(page(tmp_path))
    shown = np.array(browser.js("[...top_]")).reshape(37, 53)
    ids = np.array([*browser.js("current().masks.map((mask) => mask.id)"), 0])
    np.testing.assert_array_equal(ids[shown], labels)


def test_large_pictures_are_shown_smaller(tmp_path, browser):
    """Of 12 megapixels, with 300 masks: the pixel in the middle decides; and it takes no longer than a blink."""
    height, width = 3000, 4000
    y, x = np.mgrid[0:height, 0:width]
    labels = (y // 200 * 20 + x // 200 + 1).astype(np.int32)
    labels[(y % 200 - 100) ** 2 + (x % 200 - 100) ** 2 > 90**2] = 0
    annotate(tmp_path, "a.png", labels)
    browser.open(page(tmp_path))
    shown = np.frombuffer(base64.b64decode(browser.js("""(() => {
        const bytes = new Uint8Array(new Int16Array(top_).buffer);
        let text = "";
        for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
        return btoa(text);
    })()""")), np.int16).reshape(1536, 2048)  # fmt: skip
    ids = np.array([*browser.js("current().masks.map((mask) => mask.id)"), 0])
    rows = ((np.arange(1536) + 0.5) * 4000 / 2048).astype(int)
    columns = ((np.arange(2048) + 0.5) * 4000 / 2048).astype(int)
    np.testing.assert_array_equal(ids[shown], labels[np.ix_(rows, columns)])
    assert browser.js("(() => { const t = performance.now(); load(0); return performance.now() - t; })()") < 5000


def test_a_click_chooses_the_mask_under_it(tmp_path, browser):
    masks = np.zeros((2, 60, 90), bool)
    masks[0, 10:50, 10:80] = masks[1, 20:30, 20:30] = True
    Image.fromarray(np.zeros((60, 90), np.uint8)).save(tmp_path / "a.png")
    image = {"id": 1, "file_name": "a.png", "height": 60, "width": 90}
    io.write_coco(tmp_path / "a.json", [image], io.coco_annotations(masks), [{"id": 1, "name": "cat"}])
    browser.open(page(tmp_path))

    def click(x, y):
        at = browser.js(
            f"(() => {{ const b = view.getBoundingClientRect();"
            f" return [b.left + left + {x} * zoom, b.top + upper + {y} * zoom]; }})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            browser.ask("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", clickCount=1)
        return browser.js("chosen < 0 ? null : current().masks[chosen].id")

    assert [click(70.5, 45.5), click(25.5, 25.5), click(25.5, 25.5), click(25.5, 25.5)] == [1, 2, 1, 2]


def test_hostile_names_do_not_run(tmp_path, browser):
    annotate(tmp_path, HOSTILE, scene(), category='"><script>window.ran = 1</script>')
    browser.open(page(tmp_path))
    time.sleep(0.2)
    assert browser.js("image.naturalWidth") == 90
    assert browser.js("window.ran") is None
    assert browser.js("document.images.length") == 1
    assert browser.js("document.scripts.length") == 2
    assert HOSTILE in browser.js("byId('pictures').textContent")
    assert not [event for event in browser.events if event.get("method") == "Page.javascriptDialogOpening"]
    # And what gets in nevertheless is stopped by the page's policy.
    browser.js("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 2\">')")
    time.sleep(0.3)
    assert browser.js("window.ran") is None


def test_a_picture_that_is_gone(tmp_path, browser):
    annotate(tmp_path, "a.png", scene())
    path = page(tmp_path)
    (tmp_path / "a.png").unlink()
    browser.open(path)
    assert browser.js("getComputedStyle(byId('broken')).display") == "grid"
    assert browser.js("byId('list').children.length") == 4
