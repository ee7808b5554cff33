"""Collects norm windows and activations while a PyTorch model trains; needs torch."""

from .collector import ResLoRACollector

__all__ = ["ResLoRACollector"]
