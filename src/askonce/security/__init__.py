"""How a server is reached safely: TLS, a user with a password, encryption of the values."""

from askonce.security.config import SecurityConfig
from askonce.security.keys import generate_key
from askonce.security.secret import Secret

__all__ = ["Secret", "SecurityConfig", "generate_key"]
