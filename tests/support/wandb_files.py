"""W&B's own files, read back."""

import json
import struct

from wandb.proto.wandb_internal_pb2 import Record


def parts(run):
    """The folders of the run and of its resumption."""
    return sorted((run / "wandb").glob("offline-run-*"))


def records(run, kind):
    """All records of a kind, in order."""
    for path in parts(run):
        for record in read(next(path.glob("*.wandb"))):
            if record.HasField(kind):
                yield getattr(record, kind)


def read(path):
    """The records of a LevelDB log, chunks in blocks of 32 KiB, behind a header of 7 bytes."""
    data, at, record = path.read_bytes(), 7, b""
    while at < len(data):
        left = 2**15 - at % 2**15
        if left < 7:  # too short for a chunk
            at += left
            continue
        _, size, place = struct.unpack_from("<IHB", data, at)
        record += data[at + 7 : at + 7 + size]
        at += 7 + size
        if place in (1, 4):  # all of a record, or its last chunk
            yield Record.FromString(record)
            record = b""


def history(run):
    """What was logged, row by row."""
    return [
        {".".join(item.nested_key): json.loads(item.value_json) for item in row.item}
        for row in records(run, "history")
    ]
