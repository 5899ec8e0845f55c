"""A wide-area network between loopback addresses: TCP relays with delay and jitter that can be cut, swallow all, and heal.

    wan = Wan(seed=7)
    link = wan.relay((ip, port), (target_ip, target_port), delay=0.02, jitter=0.005)
    link.cut()    # every connection is reset, new ones too
    link.hole()   # nothing passes and nobody is told: connections stay, new ones are taken and never answered
    link.heal()   # what waited in a hole passes now, as after retransmission

The relays run in a thread of their own; all calls return when the change is in force."""
import asyncio
import collections
import random
import socket
import struct
import threading

CHUNK, AHEAD = 16384, 4 << 20  # bytes read at once, bytes under way per direction


class Pipe:
    """One direction of a connection. Chunks leave in order, each no earlier than its arrival plus the delay."""

    def __init__(self, relay, reader, writer):
        self.relay, self.reader, self.writer = relay, reader, writer
        self.under_way, self.bytes = collections.deque(), 0
        self.news, self.room = asyncio.Event(), asyncio.Event()

    async def take(self):
        loop = asyncio.get_running_loop()
        while True:
            await self.relay.open.wait()
            while self.bytes > AHEAD:
                self.room.clear()
                await self.room.wait()
            data = await self.reader.read(CHUNK)
            self.under_way.append((loop.time() + self.relay.lag(), data))
            self.bytes += len(data)
            self.news.set()
            if not data:
                return

    async def give(self):
        loop = asyncio.get_running_loop()
        while True:
            while not self.under_way:
                self.news.clear()
                await self.news.wait()
            due, data = self.under_way.popleft()
            await asyncio.sleep(max(0, due - loop.time()))
            await self.relay.open.wait()
            self.bytes -= len(data)
            self.room.set()
            if not data:
                self.writer.write_eof()
                return
            self.relay.passed += len(data)
            self.writer.write(data)
            await self.writer.drain()


class Relay:
    def __init__(self, wan, at, target, delay, jitter, handshake):
        self.wan, self.at, self.target, self.delay, self.jitter, self.handshake = wan, at, target, delay, jitter, handshake
        self.open = asyncio.Event()
        self.open.set()
        self.is_cut = False
        self.writers = set()
        self.passed = self.connections = 0  # bytes, connections so far

    @property
    def endpoint(self):
        return "%s:%d" % self.at

    def lag(self):
        return self.delay + self.wan.random.uniform(0, self.jitter)

    async def _serve(self, reader, writer):
        self.connections += 1
        self.writers.add(writer)
        there = None
        tasks = []
        try:
            if self.is_cut:
                return
            await self.open.wait()
            for _ in range(2 if self.handshake else 1):
                await asyncio.sleep(self.lag())
            far_reader, there = await asyncio.open_connection(*self.target)
            self.writers.add(there)
            pipes = Pipe(self, reader, there), Pipe(self, far_reader, writer)
            tasks = [asyncio.ensure_future(f()) for p in pipes for f in (p.take, p.give)]
            await asyncio.gather(*tasks)
        except (OSError, asyncio.CancelledError):
            reset(writer, there)  # one side broke: the other hears of it
        finally:
            for t in tasks:
                t.cancel()
            if self.is_cut:
                reset(writer, there)
            for w in filter(None, (writer, there)):
                self.writers.discard(w)
                w.close()

    async def _cut(self):
        self.is_cut = True
        self.open.set()
        reset(*self.writers)

    async def _hole(self):
        self.open.clear()

    async def _heal(self):
        self.is_cut = False
        self.open.set()

    def cut(self):
        self.wan.call(self._cut())

    def hole(self):
        self.wan.call(self._hole())

    def heal(self):
        self.wan.call(self._heal())


def reset(*writers):
    """Close with RST."""
    for w in filter(None, writers):
        sock = w.get_extra_info("socket")
        if sock and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        w.transport.abort()


class Wan:
    def __init__(self, seed=0):
        self.random = random.Random(seed)
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda loop, context: None)  # connections that were reset under a task
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def relay(self, at, target, delay=0.0, jitter=0.0, handshake=False):
        """handshake: a connection costs a round trip before its first byte is under way, as where no relay accepts it."""
        async def start():
            r = Relay(self, at, target, delay, jitter, handshake)
            await asyncio.start_server(r._serve, *at)
            return r
        return self.call(start())
