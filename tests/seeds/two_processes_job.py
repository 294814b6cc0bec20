"""A short training, alone or as one of several processes: ``torchrun ... two_processes_job.py OUT_DIR``."""

import wsss  # noqa: F401 (first: the compatibility layer)

# isort: split
import json
import sys
from pathlib import Path

import torch
from mmengine.hooks import Hook

from seeds.model import BASNet
from wsss.distributed import exit_together, is_main, join, sum_up
from wsss.training import Schedule, train_network

STEPS = 3
# Whole batches of four: 15 images are 3 steps for one process, but 8 // 2 = 4 for one of two by itself.
SCHEDULE = Schedule(
    epochs=1, batch_size=4, learning_rate=0.05, momentum=0.5, weight_decay=1e-3, num_workers=0
)


class Images(torch.utils.data.Dataset):
    """Fifteen images with one tag each, so that the drawn class is the same for any number of processes."""

    def __len__(self):
        return 15

    def __getitem__(self, index):
        image = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(index))
        return {"image": image, "tags": torch.eye(3)[index % 3]}


class Losses(Hook):
    """Notes each step's losses, means over the processes."""

    def __init__(self):
        self.steps = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        values = torch.tensor([float(outputs[name].detach()) for name in sorted(outputs)] + [1.0])
        total = sum_up(values)
        self.steps.append((total[:-1] / total[-1]).tolist())


def train(out_dir):
    """Train one step of warm-up and two of all losses; gives the losses of each and the weights."""
    torch.manual_seed(0)
    network = BASNet("plain8", 3, True, warmup_steps=1, batch_norm="fixed")
    losses = Losses()
    train_network(
        network,
        Images(),
        out_dir=out_dir,
        schedule=SCHEDULE,
        parameter_groups=[{"params": [p for p in network.parameters() if p.requires_grad]}],
        random_seed=0,
        description="toy",
        hooks=[losses],
    )
    return {
        "losses": losses.steps,
        "weights": {name: value.double().sum().item() for name, value in network.state_dict().items()},
    }


if __name__ == "__main__":
    join()
    figures = train(Path(sys.argv[1]) / "train")
    if is_main():
        (Path(sys.argv[1]) / "figures.json").write_text(json.dumps(figures))
    exit_together()
