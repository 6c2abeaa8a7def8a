"""What a Restorer runs its networks with: refusals, and networks that are loaded once."""

import pytest

from restore.loaded import Loaded


def test_networks_are_loaded_once(tiny_weights) -> None:
    held = Loaded(device="cpu")
    assert held.runtime("denoise") is held.runtime("denoise")
    assert held.runtime("denoise") is not held.runtime("deblur")
    assert held.device == "cpu"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "int8"}, "precision 'int8' is unknown; expected one of auto, fp32, bf16"),
        ({"quality": "better"}, "quality 'better' is unknown; expected one of fast, default, best"),
        ({"tile": 63}, "tile must be at least 64 pixels, got 63"),
        ({"weights": {"dehaze": "x"}}, "task 'dehaze' is unknown; expected one of inpaint, denoise"),
    ],
)
def test_what_is_refused(options, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Loaded(device="cpu", **options)


def test_an_unknown_task() -> None:
    with pytest.raises(ValueError, match="task 'dehaze' is unknown"):
        Loaded(device="cpu").runtime("dehaze")
