"""Configuration: the process default is built from ``CACHE_PRESET`` at its first use."""

from askonce.config.presets import PRESETS, Preset, default_cache
from askonce.engine.registry import registry

__all__ = ["PRESETS", "Preset", "default_cache"]

registry.builder = default_cache
