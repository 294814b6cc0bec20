"""The page in a real browser: filter, order, layers, enlarging, widths, and no error on its console."""

import shutil

import pytest

from tests.wsss.test_report import NASTY, Truth, dataset, root, work  # noqa: F401  the same toy run
from wsss.report import write_report

pytestmark = pytest.mark.browser

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install -e .[dev]")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    # A container has neither user namespaces for the sandbox nor much shared memory.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, work, root, tmp_path):  # noqa: F811
    file = tmp_path / "page.html"
    write_report({"": work}, file, dataset=Truth(root))
    set_width(browser, 1300)
    browser.get_log("browser")
    browser.get(file.as_uri())
    yield browser
    assert browser.get_log("browser") == []


def set_width(browser, width):
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def find(page, selector):
    return page.find_element("css selector", selector)


def shown(page):
    """Names of the cards that are on the page, in their order."""
    cards = page.find_elements("css selector", ".card")
    return [card.find_element("css selector", "b").text for card in cards if card.is_displayed()]


def choose(page, field, text):
    options = page.find_elements("css selector", f"{field} option")
    next(option for option in options if option.text == text).click()


def press(page, key):
    page.switch_to.active_element.send_keys(key)


def test_filter_and_order(page):
    assert shown(page) == ["a", NASTY]
    choose(page, "#class", "<i>dog")
    assert shown(page) == [NASTY]
    assert find(page, "#count").text == "1 images"
    choose(page, "#class", "all")
    # Masks are cat all over: half right on a, whose left half is cat, and nowhere on the other.
    choose(page, "#order", "masks: worst")
    assert shown(page) == [NASTY, "a"]
    choose(page, "#order", "masks: best")
    assert shown(page) == ["a", NASTY]
    choose(page, "#order", "as listed")
    assert shown(page) == ["a", NASTY]


def test_layers_are_toggled_by_box_and_key_and_fade(page):
    box = find(page, "#layers input[value='2']")
    layer = find(page, ".card .l2")
    assert not layer.is_displayed()
    box.click()
    assert layer.is_displayed()
    press(page, "2")
    assert not layer.is_displayed()
    box.click()
    page.execute_script(
        "const slider = document.querySelector('#opacity'); slider.value = 0.25;"
        "slider.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert layer.value_of_css_property("opacity") == "0.25"


def test_each_class_has_its_map(page):
    find(page, "#layers input[value='2']").click()  # 1 is ground truth, 2 the class map
    card = page.find_elements("css selector", ".card")[1]
    first, second = card.find_elements("css selector", ".l2")
    assert (first.is_displayed(), second.is_displayed()) == (True, False)
    card.find_elements("css selector", "button.chip")[1].click()
    assert (first.is_displayed(), second.is_displayed()) == (False, True)


def test_a_picture_is_enlarged_and_left_by_keys(page):
    dialog = find(page, "#large")
    small = find(page, ".card .stack").size["width"]
    find(page, ".card .stack").click()
    assert dialog.is_displayed()
    assert find(page, "#large .stack").size["width"] > small
    assert find(page, "#large b").text == "a"
    assert find(page, "#large #layers").is_displayed()
    assert find(page, "#large .legend").is_displayed()
    press(page, "\ue014")  # to the right
    assert find(page, "#large b").text == NASTY
    press(page, "\ue00c")  # Escape
    assert not dialog.is_displayed()
    assert find(page, "#tools #layers").is_displayed()
    assert find(page, "#tools .legend").is_displayed()


@pytest.mark.parametrize("width", [360, 1300])
def test_nothing_sticks_out_of_the_window(page, width):
    set_width(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_on_a_phone_pictures_come_first_two_in_a_row(page):
    set_width(page, 390)
    page.refresh()
    assert not find(page, "#layers").is_displayed()
    assert find(page, "#count").text == "2 images"
    first, second = page.find_elements("css selector", ".card")
    assert first.location["y"] == second.location["y"]
    find(page, "#tools > summary").click()
    assert find(page, "#layers").is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_differs_from_its_ground(page, scheme):
    wanted = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
    style = "return getComputedStyle(document.body).{}.match(/[\\d.]+/g).slice(0, 3).map(Number)"
    ink = sum(page.execute_script(style.format("color")))
    ground = sum(page.execute_script(style.format("backgroundColor")))
    assert (ink > ground) == (scheme == "dark")
    assert abs(ink - ground) > 3 * 128
