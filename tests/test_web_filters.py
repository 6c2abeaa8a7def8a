"""The tab of the filters, without a browser."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from restore_web import base, steps

from restore import weights
from restore.filters import FILTERS, classic
from restore.image import Picture, read
from restore.networks.filtering import OPERATORS
from restore.restorer import Restorer

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # each gr.Blocks leaves an event loop open


def filled(tabs, name: str) -> dict[str, object]:
    """What stands in the inputs once a filter is chosen."""
    return {key: item.value for key, item in tabs.filters.option_inputs(steps.filters()[name]).items()}


def run(tabs, path: Path, name: str, **values: object) -> Picture:
    """Press the button, and read the file that is offered."""
    inputs = filled(tabs, name)
    assert values.keys() <= inputs.keys()
    work = base.open_work(path)
    return read(tabs.filters.filter_all(work, name, inputs | values, lambda fraction, desc: None)[5])


@pytest.mark.parametrize("row", classic(), ids=lambda row: row.name)
def test_the_inputs_of_a_filter_are_seen_and_hold_its_defaults(row, tabs) -> None:
    inputs = tabs.filters.option_inputs(row)
    assert {name for name, item in inputs.items() if item.visible} == row.options.keys()
    for name, option in row.options.items():
        if option.default is not option.empty:
            value = steps.taken(option, inputs[name].value)
            assert (value, type(value)) == (option.default, type(option.default))


def test_each_filter_has_the_same_inputs_in_the_same_order(tabs) -> None:
    each = [tabs.filters.option_inputs(row) for row in steps.filters().values()]
    assert len({tuple((name, type(item)) for name, item in inputs.items()) for inputs in each}) == 1


@pytest.mark.parametrize(
    ("name", "values", "options"),
    [
        ("gaussian", {"sigma": 3, "border": "wrap"}, {"sigma": 3.0, "border": "wrap"}),
        ("median", {"size": 5.0}, {"size": 5}),
        ("bilateral", {"sigma_color": 40.5, "size": None}, {"sigma_color": 40.5}),
        ("erosion", {"shape": "disk"}, {"shape": "disk"}),
        ("custom", {"kernel": "1 2 1\n2 4 2\n1 2 1", "normalise": True}, {"kernel": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "normalise": True}),
        ("wiener", {"kernel": "disk", "size": 1.5}, {"kernel": "disk", "size": 1.5}),
    ],
)
def test_a_filtered_photograph_keeps_all_else(name: str, values: dict, options: dict, tabs, photo: Path) -> None:
    result, original = run(tabs, photo, name, **values), read(photo)
    np.testing.assert_array_equal(result.pixels, FILTERS[name].array(original.pixels, **options))
    np.testing.assert_array_equal(result.alpha, original.alpha)
    assert (result.dtype, result.icc, result.exif, result.dpi) == (original.dtype, original.icc, original.exif, original.dpi)
    assert result.format == original.format


def test_a_patch_is_found(tabs, photo: Path) -> None:
    original = read(photo)
    patch = photo.parent / "patch.png"
    Image.fromarray((original.pixels[100:111, 200:221] // 257).astype(np.uint8)).save(patch)
    found = run(tabs, photo, "match", patch=str(patch)).pixels
    assert np.unravel_index(found[..., 0].argmax(), found.shape[:2]) == (105, 210)


def test_what_was_done_is_said(photo: Path) -> None:
    values = {"sigma": 2.5, "border": "reflect"}
    work = steps.filter_all(base.open_work(photo), steps.filters()["gaussian"], values, restorer=Restorer(device="cpu"))
    assert work.said.startswith("Filtered in ")
    assert work.said.endswith(" s: gaussian (sigma 2.5, border reflect).")
    assert work.file.name == "cat-restored.tif"


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("gaussian", {"sigma": -3}, "sigma is -3; expected above 0"),
        ("gaussian", {"sigma": None}, "sigma is &#x27;&#x27;; expected a number"),
        ("median", {"size": 4}, "size is 4; expected an odd number of pixels, 1 or more"),
        ("median", {"size": 2.5}, "size is &#x27;2.5&#x27;; expected a whole number"),
        ("custom", {"kernel": ""}, "the kernel is empty; expected rows of numbers"),
        ("custom", {"kernel": "1 2; 3 x"}, "row 2 of the kernel holds &#x27;x&#x27;; expected numbers"),
        ("custom", {"kernel": "1 2; 3 4"}, "the kernel is 2x2; expected odd sides"),
        ("custom", {"kernel": "/etc/hostname"}, "row 1 of the kernel holds &#x27;/etc/hostname&#x27;; expected numbers"),
        ("wiener", {"kernel": "magic"}, "kernel is &#x27;magic&#x27;; expected one of gaussian, disk, motion"),
        ("match", {}, "No patch is chosen yet"),
    ],
)
def test_a_wrong_option_is_one_line(name: str, values: dict, said: str, tabs, photo: Path) -> None:
    with pytest.raises(tabs.base.gr.Error) as caught:
        run(tabs, photo, name, **values)
    assert caught.value.message.startswith(said)
    assert "\n" not in caught.value.message
    assert not caught.value.print_exception


def test_a_broken_patch_is_called_by_its_name(tabs, photo: Path) -> None:
    (photo.parent / "patch.png").write_text("no picture")
    with pytest.raises(tabs.base.gr.Error, match=r"^.patch.png: is not a picture"):
        run(tabs, photo, "match", patch=str(photo.parent / "patch.png"))


def test_learned_filters_come_with_their_weight(tabs, photo: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer = Restorer(device="cpu")
    monkeypatch.setattr(steps, "restorer", lambda: restorer)
    assert list(steps.filters()) == [*FILTERS, *(f"learned-{name}" for name in OPERATORS)]
    inputs = tabs.filters.option_inputs(steps.filters()["learned-beauty"])
    assert {name: item.value for name, item in inputs.items() if item.visible} == {"learned": 0.5}
    result = run(tabs, photo, "learned-beauty", learned=0.9)
    np.testing.assert_array_equal(result.pixels, restorer.filter(read(photo).pixels, "beauty", strength=0.9))
    monkeypatch.setattr(weights, "entries", dict)
    assert list(steps.filters()) == list(FILTERS)
