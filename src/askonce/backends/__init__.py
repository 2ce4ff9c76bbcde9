"""Where answers are kept: the contract for people, the one for the engine, and the backends."""
