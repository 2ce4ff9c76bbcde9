"""The cache in Redis or Valkey behind a memory of its own.

``cache`` is what people use; ``tier`` is what the engine asks; ``client`` is one event loop's access to the
servers, over one ``link`` to each of them.
"""
