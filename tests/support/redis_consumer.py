"""A consumer in a process of its own, to be stopped and killed: writes a line for each message and acknowledges it.

python redis_consumer.py URL QUEUE FILE [TRANSPORT]
"""

from __future__ import annotations

import contextlib
import socket
import sys
from pathlib import Path

from kombu import Connection, Consumer, Exchange, Queue
from kombu.message import Message


def main(url: str, name: str, file: str, transport: str = "tasks.redis_transport:Transport") -> None:
    out = Path(file)

    def take(message: Message) -> None:
        with out.open("a") as sink:
            sink.write(f"{message.payload} {bool(message.headers.get('redelivered'))}\n")
        message.ack()

    queue = Queue(name, Exchange(name, type="direct"), routing_key=name)
    with Connection(url, transport=transport) as connection, Consumer(connection, [queue], on_message=take):
        print("ready", flush=True)
        while True:
            with contextlib.suppress(socket.timeout):
                connection.drain_events(timeout=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
