"""Real clients (slixmpp) with an inbox that can be waited on."""
import asyncio
import logging
import ssl
import time

import slixmpp

logging.getLogger("slixmpp").setLevel(logging.CRITICAL)
logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # slixmpp leaves tasks behind when a client ends


def run(coroutine):
    """Run in a loop of its own and end the tasks that clients leave behind."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


class Client(slixmpp.ClientXMPP):
    """Logs in over TLS to a given address; remembers every message, presence and error it gets."""

    def __init__(self, jid, password, address, ca, direct_tls=False):
        super().__init__(jid, password)
        self.address = address
        self.ca_certs = ca
        self.ssl_version = ssl.PROTOCOL_TLS_CLIENT
        self.direct = direct_tls
        self.inbox, self.presences = [], []
        self.news = asyncio.Condition()
        self.up = asyncio.Event()
        self.ended = asyncio.Event()
        self.register_plugin("xep_0199")
        self.register_plugin("xep_0030")
        mechanisms = self["feature_mechanisms"]
        mechanisms.sasl_callback = lambda required, optional: {**mechanisms._default_credentials(required, optional), "channel_binding": None}
        self.auto_authorize = None
        self.auto_subscribe = False
        self.roster.auto_authorize = None
        self.add_event_handler("session_start", self._on_start)
        self.add_event_handler("message", self._on_message)
        self.add_event_handler("message_error", self._on_message)
        self.add_event_handler("disconnected", lambda e: self.ended.set())
        self.add_event_handler("failed_all_auth", lambda e: self.ended.set())
        for name in ("presence_available", "presence_away", "presence_chat", "presence_dnd", "presence_xa", "presence_unavailable", "presence_subscribe", "presence_subscribed",
                     "presence_unsubscribe", "presence_unsubscribed"):
            self.add_event_handler(name, self._on_presence)

    async def _on_start(self, _):
        self.up.set()

    async def _note(self, box, item):
        async with self.news:
            box.append(item)
            self.news.notify_all()

    async def _on_message(self, m):
        m.at = time.monotonic()
        await self._note(self.inbox, m)

    async def _on_presence(self, p):
        await self._note(self.presences, p)

    async def login(self, seconds=20):
        self.connect(self.address, use_ssl=self.direct, force_starttls=not self.direct, disable_starttls=self.direct)
        start = asyncio.ensure_future(self.up.wait())
        end = asyncio.ensure_future(self.ended.wait())
        await asyncio.wait({start, end}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        start.cancel()
        end.cancel()
        if not self.up.is_set():
            raise TimeoutError("%s could not log in at %s" % (self.boundjid, self.address))
        await self.get_roster()
        self.send_presence()
        return self

    async def _wait(self, box, what, accept, seconds):
        async def seek():
            async with self.news:
                while True:
                    for item in box:
                        if accept(item):
                            return item
                    await self.news.wait()
        try:
            return await asyncio.wait_for(seek(), seconds)
        except asyncio.TimeoutError:
            raise TimeoutError("%s: no %s within %d s; has %s" % (self.boundjid, what, seconds, [str(x) for x in box][-5:]))

    async def message(self, body, seconds=15):
        return await self._wait(self.inbox, "message %r" % body, lambda m: m["body"] == body, seconds)

    async def presence(self, kind, bare, seconds=15):
        return await self._wait(self.presences, "%s presence of %s" % (kind, bare),
                                lambda p: p["type"] == kind and p["from"].bare == bare, seconds)

    async def available(self, bare, seconds=15):
        return await self._wait(self.presences, "presence of %s" % bare,
                                lambda p: p["from"].bare == bare and p["type"] not in
                                ("unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "error"), seconds)

    async def befriend(self, other, seconds=20):
        """Subscribe both ways and see each other."""
        for a, b in ((self, other), (other, self)):
            a.send_presence_subscription(pto=b.boundjid.bare, ptype="subscribe")
            await b.presence("subscribe", a.boundjid.bare, seconds)
            b.send_presence_subscription(pto=a.boundjid.bare, ptype="subscribed")
            await a.presence("subscribed", b.boundjid.bare, seconds)
        await self.available(other.boundjid.bare, seconds)
        await other.available(self.boundjid.bare, seconds)

    async def barrier(self, to=None, seconds=15):
        """A round trip to our server: all we sent before has been taken."""
        await self["xep_0199"].ping(to or self.boundjid.host, timeout=seconds)

    async def logout(self):
        if not self.ended.is_set():
            self.disconnect(wait=1)
            await asyncio.wait({asyncio.ensure_future(self.ended.wait())}, timeout=5)
