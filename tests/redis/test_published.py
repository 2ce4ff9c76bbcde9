"""What other processes are told by those who change something, where servers do not tell them."""

import asyncio

from patience import until_async

from askonce import GenericRedisCache


def test_a_message_that_was_lost_with_its_connection_is_sent_again(start_server, namespace):
    """The change itself had reached the server, so that nothing else would remind anybody of it."""
    server = start_server()

    async def run():
        options = {"namespace": namespace, "feed": "pubsub", "heartbeat": 0.1}
        writer = GenericRedisCache(server.url, **options)
        other = GenericRedisCache(server.url, **options)
        await writer.set("a", 1)
        assert await other.get("a") == 1
        client = await writer._tier.client()
        ledger = writer._tier.state.ledger
        client.publish(client.feed.of_keys(["a"]), lambda: ledger.owe_key("a"))
        client._fleet.links()[0]._transport.abort()  # before what was said left for the server
        await until_async(lambda: writer.get_stats()["redis"]["owed"] == 1)
        await until_async(lambda: other.engine_store().look("a") is None)
        await until_async(lambda: writer.get_stats()["redis"]["owed"] == 0)
        await writer.disconnect()
        await other.disconnect()

    asyncio.run(run())
