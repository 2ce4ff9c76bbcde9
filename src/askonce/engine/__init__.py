"""What a decorated function does with a call: keys, flights, fences, and the wrapper itself."""
