"""Several processes that train one network, as ``torchrun`` starts them.

It is what ``DistributedDataParallel`` does, gradients averaged after each backward pass, without its wrapper: an objective sees the network
itself, the keys of its state dict are those of one process, and the statistics of batch normalisation are averaged too.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: Its number; process 0 validates, logs and saves.
        count: How many there are.
        device: Where it computes.

    >>> Processes(1, 2).share(range(8, 16))
    range(12, 16)
    """

    rank: int = 0
    count: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009

    @property
    def leads(self) -> bool:
        """Whether this is process 0."""
        return self.rank == 0

    def share(self, numbers: range) -> range:
        """The part of a batch's samples that this process has."""
        part = len(numbers) // self.count
        return numbers[self.rank * part : (self.rank + 1) * part]

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in one process or more; all processes ask together and get the same answer."""
        if self.count == 1:
            return flag
        raised = torch.tensor(int(flag))
        distributed.all_reduce(raised)
        return bool(raised)

    def wait(self) -> None:
        """Let no process go on before all have come here."""
        self.any(False)

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace tensors of one type by their means over the processes."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        for tensor, mean in zip(tensors, (flat / self.count).split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))


@contextmanager
def together() -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started with this one, through gloo on CPUs and NCCL on GPUs; without it, be alone.

    Raises:
        ValueError: More processes on this machine than it has GPUs.
    """
    count, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus and local >= gpus:
        raise ValueError(f"this is process {local + 1} on a machine with {gpus} GPUs; expected one process for each GPU, or fewer")
    device = torch.device("cuda", local) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    if count == 1:
        yield Processes(device=device)
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=timedelta(hours=2))
    try:
        yield Processes(distributed.get_rank(), count, device)
        distributed.barrier()  # one that leaves while the first still validates and writes may be aborted
    finally:
        distributed.destroy_process_group()
