#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A device that connects to an MQTT broker, is refused, and tries again: device.py PORT SECONDS TIMES-A-SECOND

Its firmware puts a reason string among the properties of its will, where MQTT 5 does not allow it. One CONNECT in ten is
correct, as those of other devices are. Prints how often it connected and how often the broker took it.
"""
import socket
import sys
import time


def text(value):
    return len(value).to_bytes(2, "big") + value


def length(number):
    """MQTT's variable byte integer."""
    encoded = b""
    while True:
        number, digit = divmod(number, 128)
        encoded += bytes([digit | (128 if number else 0)])
        if not number:
            return encoded


def connect_packet(correct):
    status = b"\x03" + text(b"application/json; device=thermometer; firmware=4.2.1; " + b"sensor=outside; " * 60)
    reason = b"" if correct else b"\x1f" + text(b"battery low")
    will = length(len(status + reason)) + status + reason + text(b"devices/7/status") + text(b"offline")
    body = text(b"MQTT") + b"\x05\x06" + (30).to_bytes(2, "big") + b"\0" + text(b"device-7") + will
    return b"\x10" + length(len(body)) + body


def main():
    port, seconds, rate = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    begin, count, taken = time.monotonic(), 0, 0
    while time.monotonic() < begin + seconds:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(connect_packet(count % 10 == 9))
            # CONNACK: type, length, flags, reason code. A broker that refuses may close at once.
            answer = connection.recv(4)
            taken += len(answer) == 4 and answer[3] == 0
        count += 1
        time.sleep(max(0, begin + count / rate - time.monotonic()))
    print(f"connected {count} times, was taken {taken} times")


main()
