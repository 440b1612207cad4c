"""Callbacks for trainers: dlv.callbacks.huggingface, dlv.callbacks.lightning, dlv.callbacks.keras."""
