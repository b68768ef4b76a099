"""The demo: a real external store that can be killed and frozen, and what is shown with it."""
