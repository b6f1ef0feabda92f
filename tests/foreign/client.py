"""What README.md describes, with nats-py."""

import asyncio
import sys

import nats


async def main(url):
    again = asyncio.Event()
    mail, work = asyncio.Queue(), asyncio.Queue()

    async def reconnected():
        again.set()

    async def ignore(_):
        pass

    nc = await nats.connect(
        url, name="python", reconnect_time_wait=0.05, max_reconnect_attempts=-1,
        reconnected_cb=reconnected, error_cb=ignore,
    )
    await nc.subscribe("day.*", cb=mail.put)
    await nc.subscribe("work", queue="workers", cb=work.put)

    async def answer(message):
        await message.respond(b"answer")

    await nc.subscribe("ask", cb=answer)
    once = await nc.subscribe("once")
    await once.unsubscribe(limit=1)

    await nc.publish("day.one", b"first", headers={"Kind": "good"})
    first = await mail.get()
    assert (first.data, first.headers) == (b"first", {"Kind": "good"}), first
    await nc.publish("work", b"")
    assert (await work.get()).data == b""
    await nc.publish("once", b"1")
    assert (await once.next_msg(5)).data == b"1"
    assert (await nc.request("ask", b"?", timeout=5)).data == b"answer"
    try:
        await nc.request("nobody", b"?", timeout=5)
        raise AssertionError("nobody answers")
    except nats.errors.NoRespondersError:
        pass
    await nc.flush()

    print("cut", flush=True)
    await again.wait()
    await nc.publish("day.two", b"second")
    assert (await mail.get()).data == b"second"
    await nc.drain()
    print("done", flush=True)


asyncio.run(asyncio.wait_for(main(sys.argv[1]), 60))
