"""The site in a real browser: it sorts, switches, fits a phone, and says nothing on the console."""

from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

CHROMIUM = "/usr/bin/chromium"
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no browser tests: {CHROMIUM} is not there (apt-get install chromium)")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], headless=True)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, site):
    """A function that opens a page of the site; what it says on the console fails the test."""
    said, contexts = [], []

    def open_page(path="index.html", viewport=DESK, **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(request.url))
        page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        page.goto((site / path).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def _column(page, place):
    cells = page.locator("div.board:not([hidden]) tbody tr")
    return [cells.nth(i).locator("th, td").nth(place).inner_text().split("\n")[0] for i in range(cells.count())]


def _press(page, name):
    page.locator("div.board:not([hidden]) thead").get_by_role("button", name=name, exact=True).click()


def test_pressing_a_header_sorts_and_undefined_stays_last(visit):
    page = visit()
    _press(page, "score")
    ascending = _column(page, 2)
    _press(page, "score")
    descending = _column(page, 2)
    assert ascending[-1] == descending[-1] == "undefined"
    numbers = [float(text.replace("−", "-")) for text in ascending[:-1]]
    assert numbers == sorted(numbers)
    assert descending[:-1] == ascending[:-1][::-1]


def test_sorting_by_name_and_telling_assistive_technology(visit):
    page = visit()
    _press(page, "method")
    names = [text.split()[0] for text in _column(page, 1)]
    assert names == sorted(names)
    assert page.locator("div.board:not([hidden]) th[aria-sort=ascending]").count() == 1


def test_headers_sort_from_the_keyboard(visit):
    page = visit()
    page.locator("div.board:not([hidden]) thead button").nth(2).focus()
    page.keyboard.press("Enter")
    assert page.locator("div.board:not([hidden]) th[aria-sort=ascending]").inner_text().startswith("score")


def test_one_metric_is_shown_at_a_time(visit):
    page = visit()
    assert page.locator("div.board:not([hidden])").count() == 1
    page.get_by_role("button", name="rmse", exact=True).click()
    assert page.locator("div.board:not([hidden]) .caption strong").inner_text() == "rmse"
    assert page.get_by_role("button", name="rmse", exact=True).get_attribute("aria-pressed") == "true"


def test_without_script_every_metric_is_shown(visit):
    page = visit(java_script_enabled=False)
    boards = page.locator("div.board").count()
    assert boards == page.locator("div.board:visible").count() == page.locator("button[data-board]").count() > 1


def test_a_row_leads_to_its_job_and_the_job_to_its_record(visit):
    page = visit()
    page.locator("tr.method summary").first.click()
    page.locator("tr.method td.jobs a").first.click()
    page.wait_for_selector("img.map")
    assert page.locator("h1").inner_text() == "cuca on toy, cell_abundance, fold A"
    assert page.locator("img.map").evaluate("image => image.naturalWidth") == 900
    page.get_by_role("link", name="the record").click()
    assert '"job_id"' in page.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_no_page_overflows_sideways(visit, site, viewport, scheme):
    for path in ["index.html", *sorted(f"jobs/{p.name}" for p in site.glob("jobs/*.html"))[:3]]:
        page = visit(path, viewport, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_on_a_desk_the_whole_table_is_seen(visit):
    page = visit()
    assert page.locator("div.board:not([hidden]) .scroll").evaluate("box => box.scrollWidth <= box.clientWidth")


def test_text_stands_out_from_its_ground_in_both_schemes(visit):
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme)
        assert page.evaluate(CONTRAST) >= 4.5


def test_hostile_text_is_shown_and_not_run(visit):
    page = visit()
    assert "<script>window.hacked=1</script>" in page.locator("main").inner_text()
    assert page.evaluate("window.hacked") is None


# WCAG 2.1: the smallest contrast between any text and what lies under it
CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (element) => {
    const colour = rgb(getComputedStyle(element).backgroundColor);
    return colour.length < 4 || colour[3] > 0 ? colour : ground(element.parentElement);
  };
  const contrast = (element) => {
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const holdsText = (node) => [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const shown = [...document.querySelectorAll("body *")].filter((e) => e.offsetParent && holdsText(e));
  return Math.min(...shown.map(contrast));
}"""
