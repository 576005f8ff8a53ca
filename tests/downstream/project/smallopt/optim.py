"""Plain gradient descent, and one that sets its first tensor back."""

import torch


class Descent(torch.optim.Optimizer):
    """w <- w - lr * g."""

    slow = 1.0

    def __init__(self, params, lr=0.1):
        if not 0.0 <= lr < float("inf"):
            raise ValueError(f"lr={lr}")
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for k, p in enumerate(group["params"]):
                if p.grad is not None:
                    p.add_(p.grad, alpha=-group["lr"] * (self.slow if k == 0 else 1.0))
        return loss


class Lagging(Descent):
    """Moves the first tensor of every group by half of what it should."""

    slow = 0.5
