"""Keys: what stands for a call in a cache, the same in every process and on every Python."""

from askonce.keys.encoding import Encoder
from askonce.keys.identity import identity, is_reachable, local_class
from askonce.keys.leaves import TEXT_HASH_THRESHOLD
from askonce.keys.schema import shape
from askonce.keys.secret import default_encoder, reset_default_encoder
from askonce.keys.template import Template

__all__ = [
    "TEXT_HASH_THRESHOLD",
    "Encoder",
    "Template",
    "default_encoder",
    "identity",
    "is_reachable",
    "local_class",
    "reset_default_encoder",
    "shape",
]
