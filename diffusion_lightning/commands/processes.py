"""The processes of an evaluation on several devices."""


def launch(device: str, devices: int) -> str:
    """Start one process per device, each of which runs the same command; returns this process's device.

    Under torchrun and SLURM the processes exist already, and only find each other.
    """
    if devices == 1:
        return device
    from lightning.fabric import Fabric

    fabric = Fabric(accelerator=device, devices=devices, strategy="ddp")
    fabric.launch()
    return str(fabric.device)
