import re
from xml.etree import ElementTree

from abscopal.drawing import canvas, standalone, to_svg


def _figure(title: str) -> str:
    with canvas(3, 2) as (figure, axes):
        axes.plot([0, 1], [0, 1])
        axes.set_title(title)
        return to_svg(figure, 'a "quoted" <description> & more')


def test_figures_are_valid_xml_follow_the_theme_and_share_no_id() -> None:
    first, second = _figure("one"), _figure("two")
    root = ElementTree.fromstring(first)
    assert root.attrib["aria-label"] == 'a "quoted" <description> & more'
    assert "currentColor" in first
    assert "var(--line)" in first
    assert "#010203" not in first
    assert "one" in "".join(root.itertext())
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for text, own in zip((first, second), ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", text)) <= own


def test_a_name_with_dollar_signs_is_no_formula() -> None:
    assert r"$\frac{$" in _figure(r"$\frac{$")


def test_figures_reach_for_nothing_outside() -> None:
    root = ElementTree.fromstring(_figure("one"))
    links = [value for node in root.iter() for key, value in node.attrib.items() if key.endswith("href")]
    assert all(link.startswith(("#", "data:")) for link in links)


def test_a_figure_in_a_file_of_its_own_names_its_colours():
    with canvas(2, 2) as (figure, axes):
        axes.plot([0, 1])
        text = standalone(to_svg(figure, "a line"))
    assert "currentColor" not in text
    assert "var(--" not in text
    ElementTree.fromstring(text.encode())
