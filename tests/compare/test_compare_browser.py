"""A person's whole session in a real browser, by keyboard alone; needs chromium and its driver (Debian: chromium
chromium-driver)."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from two_runs import HOSTILE, two_runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WAIT = 60.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium: pip install -e '.[dev]'")
    chromium, driver = (shutil.which("chromium") or shutil.which("google-chrome")), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium with chromedriver on the path; Debian: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    one = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield one
    one.quit()


class Session:
    """The running command, and what a person does in the browser."""

    def __init__(self, browser: Any, folder: Path, *more: str) -> None:
        self.browser, self.folder, self.more = browser, folder, more
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "ecomgpt", "job=compare", "run_a=good", "run_b=bad", *self.more]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if found := re.search(r"http://\S+/", line):
                self.address = found[0]
                return
        raise AssertionError("".join(lines))

    def enter(self, name: str) -> None:
        """Opens the address and types a name; the field has the focus."""
        self.browser.get(self.address)
        self.browser.switch_to.active_element.send_keys(name + "\n")
        self.until(lambda: "Which" not in self.text("h1") and self.text("h1") != "")

    def text(self, selector: str) -> str:
        return self.browser.find_element("css selector", selector).text

    def texts(self, selector: str) -> list[str]:
        return [one.text for one in self.browser.find_elements("css selector", selector)]

    def press(self, key: str) -> None:
        """Presses a key wherever the focus is, and waits for the next page."""
        before = self.browser.find_element("css selector", "html")
        self.browser.switch_to.active_element.send_keys(key)
        self.until(
            lambda: self._gone(before) and self.browser.execute_script("return document.readyState") == "complete"
        )

    def count(self) -> str:
        return self.text("#count")

    def until(self, condition: Any) -> None:
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        ignored = (NoSuchElementException, StaleElementReferenceException)
        WebDriverWait(self.browser, WAIT, poll_frequency=0.05, ignored_exceptions=ignored).until(lambda _: condition())

    def _gone(self, element: Any) -> bool:
        from selenium.common.exceptions import StaleElementReferenceException

        try:
            return not element.is_enabled()
        except StaleElementReferenceException:
            return True

    def end(self) -> str:
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=WAIT)
        assert self.process.returncode == 0, said
        return said

    def verdicts(self) -> list[dict]:
        path = self.folder / "outputs" / "compare-good-bad" / "verdicts.jsonl"
        return [json.loads(line) for line in path.read_text().split("\n") if line]


def test_two_people_judge_by_keyboard_with_a_reload_an_undo_and_a_restart(browser: Any, tmp_path: Path) -> None:
    two_runs(tmp_path, 3)
    session = Session(browser, tmp_path)
    session.enter("Anna Müller")
    assert session.count() == "1 of 4"
    session.press("1")
    session.press("0")
    assert session.count() == "3 of 4"
    shown = session.texts(".answer")
    browser.refresh()
    assert session.count() == "3 of 4" and session.texts(".answer") == shown
    session.press("u")
    assert session.count() == "2 of 4"
    session.press("\ue014")  # The right arrow: the second answer.
    old = browser.current_window_handle
    browser.execute_script("window.open(location.href)")
    session.until(lambda: len(browser.window_handles) == 2)
    browser.switch_to.window(next(one for one in browser.window_handles if one != old))
    session.until(lambda: session.count() == "3 of 4")
    session.press("2")
    assert session.count() == "4 of 4"
    browser.close()
    browser.switch_to.window(old)  # A second tab, still at the same row: its verdict replaces and does not add.
    assert session.count() == "3 of 4"
    session.press("1")
    assert session.count() == "4 of 4"
    session.end()

    session.start()
    session.enter("anna MÜLLER")
    assert session.count() == "4 of 4" and "Anna Müller" in session.text(".state")
    session.press("0")
    assert session.text("h1") == "All judged"
    session.enter("王小明")
    for key in "1212":
        session.press(key)
    assert session.text("h1") == "All judged"
    browser.get(session.address)
    assert session.texts(".names button") == ["Anna Müller 4 of 4", "王小明 4 of 4"]
    said = session.end()
    assert (
        "Cohen's kappa" in said and [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    )
    lines = session.verdicts()
    assert [line["annotator"] for line in lines] == ["Anna Müller"] * 7 + ["王小明"] * 4
    assert lines[2]["verdict"] is None and lines[1]["row"] == lines[2]["row"] == lines[3]["row"]
    results = json.loads((tmp_path / "outputs" / "compare-good-bad" / "results.json").read_text())
    assert results["agreement"][0]["n"] == 4 and results["people"]["all"]["n"] == 6


def test_everything_can_be_reached_by_tab(browser: Any, tmp_path: Path) -> None:
    two_runs(tmp_path, 1)
    session = Session(browser, tmp_path)
    session.enter("Tab")
    reached = []
    for _ in range(5):
        browser.switch_to.active_element.send_keys("\ue004")
        reached.append(browser.switch_to.active_element.text.split()[0])
    assert reached[:4] == ["First", "Tie", "Second", "Another"]  # There is nothing to undo yet.
    session.end()


def test_what_a_hostile_model_wrote_is_shown_and_does_nothing(browser: Any, tmp_path: Path) -> None:
    two_runs(tmp_path, 1, hostile=True)
    session = Session(browser, tmp_path, "compare.tasks=[nasty]")
    session.enter("Eve")
    seen = []
    for width, mobile in ((390, True), (1280, False)):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": mobile},
        )
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    for number in range(len(HOSTILE)):
        assert session.count() == f"{number + 1} of {len(HOSTILE)}" and "Which answer is better?" in browser.title
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 1280
        assert (
            browser.execute_script("return document.querySelectorAll('script, form, img, button, style').length") == 7
        )
        seen += [text for text in session.texts(".answer") if text != "(empty)"]
        session.press("1" if session.texts(".answer")[0] != "(empty)" else "2")
    session.end()
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    whole = "\n".join(seen)
    for shown in (
        "<script>document.title='owned'",
        "</div></main><form",
        r"\u202eright to left override\u202c",
        "{{ 7 * 7 }}",
        r"bell\x07 null\x00 escape\x1b[31m return\x0dtab",
        r"\ud800 \u2028next",
    ):
        assert shown in whole, shown
    assert sum("characters left out" in text for text in seen) == 2
    assert {line["verdict"] for line in session.verdicts()} == {"win"}
    assert [
        entry
        for entry in browser.get_log("browser")
        if "evil" in entry["message"] or "Content Security" in entry["message"]
    ] == []
