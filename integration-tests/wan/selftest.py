"""The relay itself: delay, cut, hole, heal, order of bytes."""
import os
import socket
import sys
import threading
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ("../runner", ".")]
from procs import Lab  # noqa: E402
from wan import Wan  # noqa: E402


def echo_one(s):
    try:
        while data := s.recv(4096):
            s.sendall(data)
    except ConnectionResetError:
        pass


def echo(server):
    while True:
        threading.Thread(target=echo_one, args=(server.accept()[0],), daemon=True).start()


def expect_reset(sock_of):
    try:
        sock = sock_of()
        while sock.recv(4096):
            pass
    except ConnectionResetError:
        return
    raise AssertionError("not reset")


def main():
    lab = Lab("wan")
    server = socket.create_server((lab.ip(1), 7001))
    threading.Thread(target=echo, args=(server,), daemon=True).start()
    link = Wan(seed=1).relay((lab.ip(2), 7001), (lab.ip(1), 7001), delay=0.05, jitter=0.01)

    s = socket.create_connection(link.at, 5)
    start = time.monotonic()
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    took = time.monotonic() - start
    assert took >= 0.1, took
    print("round trip over twice 50 to 60 ms: %.0f ms" % (took * 1000))

    text = bytes(range(256)) * 400
    threading.Thread(target=s.sendall, args=(text,), daemon=True).start()
    got = b""
    while len(got) < len(text):
        got += s.recv(65536)
    assert got == text
    print("%d bytes came back in order" % len(text))

    link.hole()
    s.sendall(b"waits")
    s.settimeout(0.5)
    try:
        raise AssertionError("%r came out of a hole" % s.recv(10))
    except socket.timeout:
        pass
    link.heal()
    s.settimeout(5)
    assert s.recv(10) == b"waits"
    print("what waited in the hole came after it healed")

    link.cut()
    expect_reset(lambda: s)
    expect_reset(lambda: socket.create_connection(link.at, 5))
    print("cut: both an old and a new connection are reset")
    link.heal()
    s = socket.create_connection(link.at, 5)
    s.sendall(b"y")
    assert s.recv(1) == b"y"
    print("healed")
    lab.close()


if __name__ == "__main__":
    main()
