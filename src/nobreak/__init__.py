"""nobreak: a UPS for object storage."""
