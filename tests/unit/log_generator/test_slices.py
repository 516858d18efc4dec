import pytest
from log_generator import slices


@pytest.mark.parametrize(("invoice", "number"), [("536365", 9), ("C536379", 90), ("A563185", 699)])
def test_slice_is_crc32_of_the_invoice_modulo_1024(invoice, number):
    assert slices.slice_of(invoice) == number


@pytest.mark.parametrize("text", ["", "0", "0-1023", "0-2,5,7-9"])
def test_what_is_parsed_renders_the_same(text):
    assert slices.render(slices.parse(text)) == text


def test_parse_takes_spaces_and_joins_neighbours():
    assert slices.render(slices.parse("3, 1-2, 2")) == "1-3"


@pytest.mark.parametrize("text", ["a", "1-", "-1", "1024", "5-4", "1,,2"])
def test_what_is_no_slice_is_refused(text):
    with pytest.raises(ValueError, match=r"neither|not within"):
        slices.parse(text)
