"""An Apple GPU, simulated: it computes as the CPU does, and refuses float64 and tensors of another device."""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from lightning.fabric.accelerators import MPSAccelerator
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = torch.device("mps", 0)

aten = torch.ops.aten

MOVES = {aten._to_copy.default, aten.copy_.default}
"""What reads a tensor of one device and writes one of another."""

INDEXES = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
"""What takes indices of the CPU too."""


class OnDevice(torch.Tensor):
    """A tensor on the device: all is computed with the tensor of the CPU that it holds.

    C++ takes it for a tensor on `meta`, as autograd needs no driver for that device.
    """

    device = DEVICE
    is_meta = False

    @staticmethod
    def __new__(cls, held, requires_grad=False):
        if held.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype, which MPS does not support.")
        options = {"dtype": held.dtype, "device": "meta", "requires_grad": requires_grad}
        options |= {"strides": held.stride(), "storage_offset": held.storage_offset()}
        return torch.Tensor._make_wrapper_subclass(cls, held.shape, **options)

    def __init__(self, held, requires_grad=False):
        self.held = held

    def __repr__(self, **_):
        return f"OnDevice({self.held})"

    def tolist(self):
        return self.cpu().tolist()

    def __getitem__(self, index):
        return super().__getitem__(torch.tensor(index) if isinstance(index, list) else index)

    def __reduce_ex__(self, protocol):
        return self.held.detach().requires_grad_(self.requires_grad).__reduce_ex__(protocol)

    def __deepcopy__(self, memo):
        return type(self)(self.held.clone(), self.requires_grad)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


def compute(func, args, kwargs):
    """What an operation gives on the device of its arguments, or on that which it names."""
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    ours = {id(x.held): x for x in tensors if isinstance(x, OnDevice)}
    others = [x for x in tensors if not isinstance(x, OnDevice) and x.ndim > 0]
    if ours and others and func not in MOVES | INDEXES:
        raise RuntimeError(f"{func}: Expected all tensors to be on the same device, mps and cpu found.")
    named = kwargs.get("device")
    if named is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    args, kwargs = tree_map_only(OnDevice, lambda x: x.held, (args, kwargs))
    out = func(*args, **kwargs)
    onto = bool(ours) if named is None else named.type in ("mps", "meta")

    def placed(x):  # an operation in place returns its argument
        return ours[id(x)] if id(x) in ours else OnDevice(x) if onto else x

    return tree_map_only(torch.Tensor, placed, out)


class Simulation(TorchDispatchMode):
    """While it lasts, the device is there."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


class Numbered(TorchFunctionMode):
    """Gives the device its number where it is called `mps` alone; torch would ask a driver for it."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.device:
            return func(*args, **kwargs or {})

        def numbered(x):
            return DEVICE if x in ("mps", torch.device("mps")) else x

        args, kwargs = tree_map_only((str, torch.device), numbered, (args, kwargs or {}))
        return func(*args, **kwargs)


@contextmanager
def without_float64():
    """While it lasts, `accelerator=auto` and `device=auto` are the simulated device."""
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    with ExitStack() as stack:
        stack.enter_context(patch.object(torch.backends.mps, "is_available", lambda: True))
        stack.enter_context(patch.object(MPSAccelerator, "is_available", staticmethod(lambda: True)))
        stack.enter_context(patch.object(torch.mps, "empty_cache", lambda: None))
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, before)
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor moves what it made to the device
        stack.callback(torch._C._set_only_lift_cpu_tensors, False)
        stack.enter_context(Numbered())
        stack.enter_context(Simulation())
        yield DEVICE


READS = {aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default}
"""What gives the CPU a number, or a tensor whose size depends on numbers."""


class Waits(TorchDispatchMode):
    """Lists the operations that read the device's tensors from the CPU: a GPU ends all work before each."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if self.waits(func, args, kwargs or {}):
            self.seen.append(str(func))
        return func(*args, **kwargs or {})

    def waits(self, func, args, kwargs):
        reads = func in READS
        if func is aten._to_copy.default:
            reads = kwargs.get("device") == torch.device("cpu")
        if func is aten.copy_.default:
            reads = not isinstance(args[0], OnDevice)
        return reads and any(isinstance(x, OnDevice) for x in tree_leaves((args, kwargs)))


class FloatsRead(Waits):
    """Where the CPU itself trains: reading of losses, norms and weights, not of the data's flags."""

    def waits(self, func, args, kwargs):
        return func in READS and args[0].is_floating_point()
