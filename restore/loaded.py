"""What a ``Restorer`` runs its networks with, and those that it has loaded."""

import os
import threading
from collections.abc import Mapping

from restore import weights
from restore.networks import Network
from restore.runtime import PRECISIONS, Runtime, has_bf16, pick_engine
from restore.tasks import TASKS

BF16_LOSS = "loss in bf16: PSNR, dB"
"""The score of a weight's manifest that says what bfloat16 costs: the mean over pictures, at the setting where it costs most."""
BF16_ALLOWED = 0.02
"""The loss up to which a network runs in bfloat16 where the precision is "auto"."""
QUALITIES = ("fast", "default", "best")
"""What ``Restorer`` takes as its quality."""


class Loaded:
    """The device, precision and weights of a ``Restorer``, which says what the arguments are; it keeps the networks that it loads."""

    def __init__(
        self,
        *,
        device: str = "auto",
        precision: str = "auto",
        runtime: str = "auto",
        tile: int = 512,
        weights: Mapping[str, str | os.PathLike[str]] | None = None,
        quality: str = "default",
    ) -> None:
        engine, self.device = pick_engine(runtime, device)
        if precision not in ("auto", *PRECISIONS):
            raise ValueError(f"precision {precision!r} is unknown; expected one of auto, {', '.join(PRECISIONS)}")
        self.precision, self._wanted, self._has_bf16 = precision, runtime, precision == "auto" and has_bf16(engine)
        if quality not in QUALITIES:
            raise ValueError(f"quality {quality!r} is unknown; expected one of {', '.join(QUALITIES)}")
        if tile < 64:
            raise ValueError(f"tile must be at least 64 pixels, got {tile}")
        for task in weights or {}:
            if task not in TASKS:
                raise ValueError(f"task {task!r} is unknown; expected one of {', '.join(TASKS)}")
        self.tile, self.quality = tile, quality
        usual = {name: task.fast if quality == "fast" and task.fast else task.weight for name, task in TASKS.items()}
        self.weights = {name: str(weight) for name, weight in {**usual, **(weights or {})}.items()}
        self._named = set(weights or {})
        self._runtimes: dict[tuple[str, str, bool, bool], Runtime] = {}
        self._lock = threading.Lock()

    def runtime(self, task: str, *, camera: bool = False, exact: bool = False, once: bool = False) -> Runtime:
        """The network of a task, ready to run; loaded once.

        Args:
            task: A key of ``restore.tasks.TASKS``.
            camera: Its network for what cameras write, unless ``weights`` names one.
            exact: In fp32 where the precision is "auto".
            once: On a picture as it stands, whatever the quality.

        Raises:
            ValueError: The task is unknown.
            WeightsError: Its weight is not there, cannot be used, or was trained for another task.
        """
        if task not in TASKS:
            raise ValueError(f"task {task!r} is unknown; expected one of {', '.join(TASKS)}")
        name = TASKS[task].camera if camera and task not in self._named else self.weights[task]
        ensemble = self.quality == "best" and TASKS[task].ensemble and not once
        key = task, name, exact and self._has_bf16, ensemble
        with self._lock:
            if key not in self._runtimes:
                try:
                    entry, _ = weights.find(name)
                except weights.WeightsError as error:
                    kind = f"{task!r} (camera)" if camera else f"{task!r}"
                    missing = f"no weight for {kind} is there: " if task not in self._named else ""
                    raise weights.WeightsError(f"{missing}{error}") from error
                if entry.task != task:
                    raise weights.WeightsError(f"weight {name!r} is for the task {entry.task!r}, not {task!r}")
                network = weights.load(name)
                assert isinstance(network, Network)  # as its task says
                precision = self.precision
                if precision == "auto":
                    is_cheap = entry.scores.get(BF16_LOSS, BF16_ALLOWED) < BF16_ALLOWED
                    precision = "bf16" if self._has_bf16 and is_cheap and not exact else "fp32"
                self._runtimes[key] = Runtime(network, device=self.device, precision=precision, runtime=self._wanted, ensemble=ensemble)
            return self._runtimes[key]
