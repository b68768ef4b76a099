"""Helpers that several test folders share: real servers, free ports, bounded waits."""
